/** Where a recording begins and ends: two handles over its picture. Nothing is cut from what is kept. */

import { words } from "../api.js";
import { h, say } from "../dom.js";
import { clock, spokenTime } from "../format.js";
import { toast } from "../toast.js";
import { changeRecording } from "./api.js";

/** @typedef {import("../types.js").Recording} Recording */
/** @typedef {import("./waveform.js").Waveform} Waveform */

/** What is left at least, seconds. */
const LEAST_S = 1;

/** @param {"start" | "end"} side */
function handle(side) {
  const label = side === "start" ? "Beginning" : "End";
  return h("span", { class: `trim-handle ${side}`, role: "slider", tabIndex: 0, "aria-label": label, data: { testid: `trim-${side}` } }, h("i"));
}

/**
 * @param {() => Recording} recording
 * @param {() => Waveform | null} wave
 * @param {(recording: Recording) => void} changed
 */
export function trimming(recording, wave, changed) {
  /** @type {[number, number]} */
  let span = [0, 0];
  const [start, end] = [handle("start"), handle("end")];
  const [left, right] = [h("span", { class: "trim-shade" }), h("span", { class: "trim-shade" })];
  const told = h("p", { class: "sub tn", role: "status", data: { testid: "trim-told" } });
  const keep = h("button", { type: "button", class: "btn first", data: { testid: "trim-save" } }, "Save");
  const all = h("button", { type: "button", class: "btn", data: { testid: "trim-all" } }, "Whole recording");
  const leave = h("button", { type: "button", class: "btn quiet", data: { testid: "trim-cancel" } }, "Cancel");
  const element = h("section", { class: "trim", hidden: true, "aria-label": "Trim" }, told, h("div", { class: "row gap" }, keep, all, leave));

  const show = () => {
    place({ start, end, left, right }, span, recording().duration_s);
    say(told, `From ${clock(span[0])} to ${clock(span[1])}: ${clock(span[1] - span[0])} are played and downloaded. Nothing is deleted.`);
  };
  const move = (/** @type {0 | 1} */ side, /** @type {number} */ seconds) => {
    const { duration_s: duration } = recording();
    if (side === 0) span = [Math.max(0, Math.min(seconds, span[1] - LEAST_S)), span[1]];
    else span = [span[0], Math.min(duration, Math.max(seconds, span[0] + LEAST_S))];
    show();
  };
  drag(start, 0, move, wave, () => span[0]);
  drag(end, 1, move, wave, () => span[1]);

  const close = () => {
    element.hidden = true;
    wave()?.over.replaceChildren();
    changed(recording());
  };
  async function save(/** @type {import("./api.js").Trim | null} */ trim) {
    try {
      const now = await changeRecording(recording().id, { trim });
      toast(trim ? "Trimmed. Who listens hears it from there to there; the rest is kept." : "It is played as a whole again.");
      close();
      changed(now);
    } catch (error) {
      toast(`The recording was not trimmed. ${words(error)}`);
    }
  }
  keep.addEventListener("click", () => void save(span[0] < 0.05 && span[1] > recording().duration_s - 0.05 ? null : { start_s: Math.round(span[0] * 100) / 100, end_s: Math.round(span[1] * 100) / 100 }));
  all.addEventListener("click", () => void save(null));
  leave.addEventListener("click", close);
  return {
    element,
    get on() {
      return !element.hidden;
    },
    open() {
      const { trim, duration_s: duration } = recording();
      const picture = wave();
      if (!picture) return;
      span = trim ? [trim.start_s, trim.end_s] : [0, duration];
      all.hidden = !trim;
      element.hidden = false;
      picture.over.replaceChildren(left, right, start, end);
      changed(recording());
      show();
      start.focus();
    },
  };
}

/** @param {{ start: HTMLElement, end: HTMLElement, left: HTMLElement, right: HTMLElement }} parts @param {[number, number]} span seconds @param {number} duration */
function place({ start, end, left, right }, span, duration) {
  const [from, to] = span.map((seconds) => `${(100 * seconds) / duration}%`);
  start.style.setProperty("--at", from ?? "");
  end.style.setProperty("--at", to ?? "");
  left.style.setProperty("--from", "0%");
  left.style.setProperty("--to", from ?? "");
  right.style.setProperty("--from", to ?? "");
  right.style.setProperty("--to", "100%");
  for (const [at, one] of [start, end].entries()) {
    const seconds = span[at] ?? 0;
    one.setAttribute("aria-valuenow", String(Math.round(seconds)));
    one.setAttribute("aria-valuemin", "0");
    one.setAttribute("aria-valuemax", String(Math.round(duration)));
    one.setAttribute("aria-valuetext", spokenTime(seconds));
  }
}

/** @param {HTMLElement} one @param {0 | 1} side @param {(side: 0 | 1, seconds: number) => void} move @param {() => Waveform | null} wave @param {() => number} at */
function drag(one, side, move, wave, at) {
  one.addEventListener("pointerdown", (event) => {
    one.setPointerCapture(event.pointerId);
    event.preventDefault();
    one.focus();
  });
  one.addEventListener("pointermove", (event) => {
    const picture = wave();
    if (!picture || !one.hasPointerCapture(event.pointerId)) return;
    const box = picture.canvas.getBoundingClientRect();
    move(side, picture.range[0] + ((event.clientX - box.left) / box.width) * picture.length);
  });
  one.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -30, PageUp: 30 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    move(side, at() + (event.shiftKey ? by / 10 : by));
  });
}
