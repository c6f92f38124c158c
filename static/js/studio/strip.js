/** The last twenty seconds on air: what came in, what went out, and the switch that makes the difference. */

import { words } from "../api.js";
import { h, say } from "../dom.js";
import { animate, still } from "../palette.js";
import { toggle } from "../parts.js";
import { store } from "../store.js";
import { toast } from "../toast.js";
import { History } from "./history.js";
import { decibels, drawCame, drawWent, levelWords, noiseFloor, takenOut } from "./pair.js";
import { deepest, strengthSlider } from "./strength.js";
import { denoiseWords } from "./words.js";

/** @typedef {import("./publisher.js").Publisher} Publisher */

const SPAN = 20 * 48_000;
const PITCH = 4;
const WIDTH = 2.2;
const LABEL_MS = 500;
const QUIET_ROOM_DB = -70;

/** @param {string} name @param {string} testid */
function row(name, testid) {
  const level = h("span", { class: "lv", data: { testid } });
  const canvas = h("canvas", { class: "strip-canvas", "aria-hidden": "true" });
  return { level, canvas, label: h("div", { class: "lb" }, h("b", null, name), level) };
}

/**
 * Follows the levels of whatever stream is on air.
 * @param {Publisher} publisher
 * @param {History} history
 */
function follow(publisher, history) {
  let followed = "";
  let stop = () => {};
  return {
    show() {
      const id = publisher.onAir ? (publisher.streamId ?? "") : "";
      if (id === followed) return;
      stop();
      history.clear();
      followed = id;
      stop = id ? store.events.subscribe(`stream:${id}`, ({ type, data }) => type === "levels" && history.take(data, performance.now())) : () => {};
    },
    stop: () => stop(),
  };
}

/** @param {Publisher} publisher @param {History} history @returns {string} what the denoiser does, in words */
function effect(publisher, history) {
  if (publisher.music) return "";
  if (publisher.stream?.denoise.mode !== "active") return "The noise stays in";
  const pairs = history.latest(200);
  const taken = takenOut(pairs, deepest(publisher.strength));
  if (taken === null) return "";
  return noiseFloor(pairs) < QUIET_ROOM_DB ? "Your room is quiet" : `${decibels(taken)} of noise taken out`;
}

/**
 * @param {HTMLCanvasElement} came
 * @param {HTMLCanvasElement} went
 * @param {History} history
 * @param {number} now milliseconds
 */
function paint(came, went, history, now) {
  const width = came.clientWidth;
  const count = Math.floor(width / PITCH);
  if (count <= 0) return;
  const length = Math.max(history.step, SPAN / count);
  const bars = history.stretches(history.head(now, still()), length, count).map(({ back, pair }) => ({ x: width - WIDTH / 2 - back * PITCH, pair }));
  drawCame(came, bars, noiseFloor(history.latest(200)), { pitch: PITCH, width: WIDTH, voice: "ink" });
  drawWent(went, bars, { pitch: PITCH, width: WIDTH, voice: "live" });
}

/** @param {Publisher} publisher */
export function strip(publisher) {
  const history = new History();
  const following = follow(publisher, history);
  const [came, went] = [row("Came in", "level-in"), row("Went out", "level-out")];
  const taken = h("span", { class: "sub desk", data: { testid: "taken-out" } });
  const control = toggle("denoise-live", "denoise-live-words", (on) => void publisher.setDenoise(on).catch((error) => toast(words(error))));
  const slider = strengthSlider(publisher, "strength-live", () => denoiseWords(publisher, store.config).on);
  const denoise = h("div", { class: "cause" }, h("span", { id: "denoise-live-words" }, "Take the noise out"), control.element, slider.element);
  const music = h("span", { class: "sub", data: { testid: "music-live" } }, "Music: stereo, and nothing is taken out");
  const head = h("div", { class: "hd" }, h("h2", { class: "desk" }, "The last 20 seconds"), taken, h("span", { class: "grow desk" }), denoise, music);
  const marks = ["20 s ago", "15", "10", "5"].map((text) => h("span", null, text));
  const axis = h("div", { class: "axis", "aria-hidden": "true" }, marks, h("b", null, "now"));
  const lanes = h("div", { class: "lanes" }, came.label, came.canvas, went.label, went.canvas, axis);
  const stop = animate((now) => publisher.onAir && paint(came.canvas, went.canvas, history, now));
  let said = -Infinity;
  return {
    element: h("section", { class: "card strips", "aria-label": "The last 20 seconds" }, head, lanes),
    show() {
      following.show();
      const { on, enabled, text } = denoiseWords(publisher, store.config);
      denoise.hidden = publisher.music;
      music.hidden = !publisher.music;
      control.set(on, enabled);
      slider.show();
      control.element.title = text;
      const now = performance.now();
      if (now - said < LABEL_MS) return;
      said = now;
      const loudest = now - history.arrived < 2000 ? history.loudest(history.end - 5 * history.step, history.end) : null;
      say(came.level, loudest ? levelWords(loudest.came) : "–");
      say(went.level, loudest ? levelWords(loudest.went) : "–");
      say(taken, effect(publisher, history));
    },
    stop() {
      stop();
      following.stop();
    },
  };
}
