/** The player at the bottom of every page. */

import { byId, h, icon, say } from "../dom.js";
import { clock, spokenTime } from "../format.js";
import { fill, toggle } from "../parts.js";
import { player } from "./player.js";
import { liveWords } from "./words.js";

export const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 1.75, 2, 2.5, 3];

function playButton() {
  const play = icon("play");
  const pause = icon("pause");
  const word = h("span", { class: "word" }, "Play");
  const button = h("button", { type: "button", class: "playbtn", "aria-label": "Play", data: { testid: "play" }, on: { click: () => void player.toggle() } }, play, pause, word);
  return {
    button,
    show() {
      const on = player.wanted && !player.blocked;
      play.classList.toggle("off", on);
      pause.classList.toggle("off", !on);
      button.setAttribute("aria-label", on ? "Pause" : "Play");
      button.classList.toggle("wide", player.source?.kind === "live" && !on);
    },
  };
}

/** @param {string} name @param {number} seconds @param {string} label */
function jump(name, seconds, label) {
  const act = () => player.seek(player.position + seconds);
  return h("button", { type: "button", class: "btn quiet icon jump", "aria-label": label, data: { testid: `jump-${name}` }, on: { click: act } }, icon(name, 30), h("em", { "aria-hidden": "true" }, Math.abs(seconds)));
}

function seekBar() {
  const range = h("input", { type: "range", class: "seek", min: "0", max: "1", step: "0.1", value: "0", "aria-label": "Position", data: { testid: "seek" } });
  let held = false;
  range.addEventListener("input", () => {
    held = true;
    fill(range);
  });
  range.addEventListener("change", () => {
    held = false;
    player.seek(player.begin + Number(range.value));
  });
  return {
    range,
    show() {
      range.max = String(Math.max(1, player.duration));
      if (!held) range.value = String(player.position - player.begin);
      range.setAttribute("aria-valuetext", spokenTime(Number(range.value)));
      fill(range);
    },
  };
}

function speedChoice() {
  const options = SPEEDS.map((speed) => h("option", { value: String(speed), selected: speed === 1 }, `${speed}×`));
  const select = h("select", { "aria-label": "Speed", data: { testid: "speed" } }, options);
  select.addEventListener("change", () => player.setSpeed(Number(select.value)));
  return { element: h("span", { class: "select speed" }, select), show: () => (select.value = String(player.speed)) };
}

function skipChoice() {
  const saves = h("small", { class: "tn" });
  const control = toggle("skip-silence", "skip-name", (on) => player.passages.setSkip(on));
  const element = h("div", { class: "skipping" }, control.element, h("span", { id: "skip-name" }, "Skip silence", saves));
  return {
    element,
    show() {
      const { skip, saves: seconds, pauses } = player.passages;
      control.set(skip);
      say(saves, pauses.length > 0 ? `${skip ? "saves" : "would save"} ${clock(seconds)}` : "");
    },
  };
}

function volumeControl() {
  const on = icon("volume");
  const off = icon("volumeOff");
  const mute = h("button", { type: "button", class: "btn quiet icon", "aria-label": "Mute the player", "aria-pressed": "false", data: { testid: "player-mute" }, on: { click: () => player.toggleMute() } }, on, off);
  const range = h("input", { type: "range", min: "0", max: "1", step: "0.01", "aria-label": "Volume", data: { testid: "volume" } });
  range.addEventListener("input", () => player.setVolume(Number(range.value)));
  const element = h("div", { class: "vol" }, mute, range);
  return {
    element,
    show() {
      const silent = player.muted;
      on.classList.toggle("off", silent);
      off.classList.toggle("off", !silent);
      mute.setAttribute("aria-pressed", String(silent));
      range.hidden = !player.hasVolume;
      range.value = String(silent ? 0 : player.volume);
      range.setAttribute("aria-valuetext", `${Math.round(Number(range.value) * 100)} %`);
      fill(range);
    },
  };
}

const tools = h("div", { class: "tools" });

/** @param {...HTMLElement} elements what the page that is open adds to the player */
export function setDockTools(...elements) {
  tools.replaceChildren(...elements);
}

export function startDock() {
  const dock = byId("dock");
  const play = playButton();
  const seek = seekBar();
  const volume = volumeControl();
  const title = h("b", { dir: "auto", data: { testid: "player-title" } });
  const detail = h("span", { dir: "auto", data: { testid: "player-detail" } });
  const what = h("a", { class: "what", href: "/live" }, title, detail);
  const time = h("div", { class: "when", data: { testid: "player-time" } });
  const back = jump("back", -10, "Back 10 seconds");
  const forth = jump("forth", 30, "Forward 30 seconds");
  const [skip, speed] = [skipChoice(), speedChoice()];
  const close = h("button", { type: "button", class: "btn quiet icon shut", "aria-label": "Close the player", data: { testid: "player-close" }, on: { click: () => player.close() } }, icon("close", 20));
  dock.append(back, play.button, forth, what, seek.range, time, skip.element, speed.element, volume.element, tools, close);

  player.passages.watch(skip.show);
  player.watch(() => {
    const { source } = player;
    dock.hidden = !source;
    document.body.classList.toggle("docked", source !== null);
    if (!source) return;
    const page = source.kind === "live" ? source.channel.listen_path : `/recordings/${source.recording.id}`;
    // On its own page the title stands above and the waveform is where one seeks.
    dock.dataset["kind"] = source.kind;
    dock.classList.toggle("at-home", source.kind === "recording" && location.pathname === page);
    what.href = page;
    close.hidden = player.wanted || location.pathname === page;
    play.show();
    volume.show();
    if (source.kind === "live") {
      const words = liveWords(source.channel);
      say(title, words.what);
      say(detail, words.detail);
      return;
    }
    say(title, source.recording.title);
    say(detail, player.failed || source.recording.host);
    speed.show();
    skip.show();
    time.replaceChildren(clock(player.position - player.begin), h("span", null, ` / ${clock(player.duration)}`));
    seek.show();
  });
}
