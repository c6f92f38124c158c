/** The sound check: five seconds of oneself, as they are and without the noise, before anybody else hears them. */

import { checkSound, words } from "../api.js";
import { h, icon, say } from "../dom.js";
import { store } from "../store.js";
import { decibels, drawCame, drawWent, noiseFloor, takenOut } from "./pair.js";
import { levels, mixed, RATE, record, samplesOf, wav } from "./pcm.js";
import { deepest, originalShare } from "./strength.js";

/** @typedef {import("./publisher.js").Publisher} Publisher */
/** @typedef {"idle" | "opening" | "recording" | "cleaning" | "done"} Step */
/** @typedef {{ button: HTMLButtonElement, canvas: HTMLCanvasElement, player: HTMLAudioElement, element: HTMLElement, put: (sound: Blob | null) => void, show: () => void }} Track */

const SECONDS = 5;
const LOOK = { pitch: 5, width: 2.6, voice: "ink" };
/** Pieces of 100 ms, in which the pauses between words are found. */
const PIECES = SECONDS * 10;

/** @param {string} name @param {string} testid @returns {Track} */
function track(name, testid) {
  const player = new Audio();
  const button = h("button", { type: "button", class: "btn icon round", disabled: true, data: { testid } });
  const canvas = h("canvas", { class: "check-canvas", "aria-hidden": "true" });
  const show = () => {
    button.replaceChildren(icon(player.paused ? "play" : "pause", 20));
    button.setAttribute("aria-label", `${player.paused ? "Play" : "Pause"}: ${name}`);
  };
  for (const type of ["play", "pause", "ended"]) player.addEventListener(type, show);
  show();
  return {
    button,
    canvas,
    player,
    element: h("div", null, button, h("b", null, name), canvas),
    put(sound) {
      const [heard, at] = [!player.paused, player.currentTime];
      player.pause();
      if (player.src) URL.revokeObjectURL(player.src);
      if (sound) player.src = URL.createObjectURL(sound);
      else player.removeAttribute("src");
      button.disabled = !sound;
      if (!heard || !sound) return;
      player.currentTime = at;
      void player.play().catch(() => undefined);
    },
    show,
  };
}

/** What was recorded so far, and what the server made of it. */
class Check {
  /** @param {Publisher} publisher @param {() => void} changed */
  constructor(publisher, changed) {
    this.publisher = publisher;
    this.changed = changed;
    /** @type {Step} */
    this.step = "idle";
    this.problem = "";
    this.have = 0;
    /** @type {Float32Array} */
    this.raw = new Float32Array(0);
    this.shown = { key: "", bars: /** @type {import("./pair.js").Bar[]} */ ([]) };
    /** Without any noise, as the server gave it. @type {Float32Array | null} */
    this.pure = null;
    /** The same at the strength that is chosen. @type {Float32Array | null} */
    this.clean = null;
    this.strength = 1;
    this.ending = new AbortController();
  }

  /** As much noise as is wanted goes back in; the server would do just that. @returns {boolean} whether it changed */
  blend() {
    const { strength } = this.publisher;
    if (!this.pure || strength === this.strength) return false;
    this.strength = strength;
    this.clean = mixed(this.pure, this.raw, originalShare(strength));
    this.shown.key = "";
    return true;
  }

  get busy() {
    return this.step !== "idle" && this.step !== "done";
  }

  stop() {
    this.ending.abort();
  }

  /** @param {Step} step */
  become(step) {
    this.step = step;
    this.changed();
  }

  async run() {
    this.ending = new AbortController();
    this.problem = "";
    this.have = 0;
    this.raw = new Float32Array(SECONDS * RATE);
    this.pure = this.clean = null;
    try {
      await this.listen(this.ending.signal);
      this.become("cleaning");
      const sound = wav(this.raw);
      const answer = await checkSound(sound, this.ending.signal);
      this.pure = this.clean = samplesOf(await answer.arrayBuffer());
      this.strength = 1;
      this.blend();
      this.become("done");
    } catch (error) {
      const stopped = error instanceof DOMException && error.name === "AbortError";
      this.problem = stopped ? "" : words(error);
      if (stopped) this.have = 0;
      this.become("idle");
    }
  }

  /** @param {AbortSignal} signal */
  async listen(signal) {
    const { microphone } = this.publisher;
    if (!microphone.stream) {
      this.become("opening");
      await microphone.open();
    }
    if (!microphone.stream) throw new DOMException("no microphone", "AbortError"); // the notice says why
    this.become("recording");
    this.raw = await record(microphone.stream, SECONDS, signal, (block, rate) => {
      // For the picture while it grows, at the device's own rate.
      if (this.raw.length !== SECONDS * rate) this.raw = new Float32Array(SECONDS * rate);
      const at = Math.round(this.have * rate);
      this.raw.set(block.subarray(0, Math.max(0, this.raw.length - at)), at);
      this.have += block.length / rate;
    });
    this.have = SECONDS;
  }

  /** @param {number} width of the picture in pixels @returns {import("./pair.js").Bar[]} */
  bars(width) {
    const key = `${width} ${this.step} ${this.have}`;
    if (key !== this.shown.key) this.shown = { key, bars: this.measured(Math.floor(width / LOOK.pitch)) };
    return this.shown.bars;
  }

  /** @param {number} count @returns {import("./pair.js").Bar[]} */
  measured(count) {
    const came = levels(this.raw, count);
    const went = this.clean ? levels(this.clean, count) : came;
    const shown = Math.round((this.have / SECONDS) * count);
    return came.slice(0, shown).map((level, at) => ({ x: at * LOOK.pitch + LOOK.width / 2 + 0.5, pair: { came: level, went: went[at] ?? level } }));
  }

  /** @returns {string} */
  words() {
    if (store.config?.denoise.state === "off") return "Noise removal is off on this server, so there is nothing to compare.";
    if (this.problem) return this.problem;
    if (this.step === "opening") return "Waiting for the microphone.";
    if (this.step === "recording") return "Say a sentence, then pause for a moment.";
    if (this.step === "cleaning") return "Taking the noise out…";
    if (!this.clean) return "Hear yourself first. Only you hear it, and nothing is kept.";
    return `Only you hear this. ${this.verdict(this.clean)}`;
  }

  /** @param {Float32Array} clean */
  verdict(clean) {
    const went = levels(clean, PIECES);
    const pairs = levels(this.raw, PIECES).map((came, at) => ({ came, went: went[at] ?? came }));
    const taken = takenOut(pairs, deepest(this.strength));
    return taken === null ? "Play both to compare." : `Clean is ${decibels(taken)} quieter between the words.`;
  }

  /** @returns {string} */
  label() {
    if (this.step === "recording") return `Recording, ${Math.max(1, Math.ceil(SECONDS - this.have))} s left`;
    if (this.busy) return "One moment";
    return this.clean ? "Record five seconds again" : "Record five seconds";
  }
}

/** @param {Publisher} publisher */
export function soundCheck(publisher) {
  const [raw, clean] = [track("Raw", "play-raw"), track("Clean", "play-clean")];
  const text = h("p", { class: "sub", role: "status", data: { testid: "check-words" } });
  const label = h("span", null, "Record five seconds");
  const button = h("button", { type: "button", class: "btn", data: { testid: "sound-check" } }, icon("mic", 20), label);
  const check = new Check(publisher, () => changed());
  const element = h("section", { class: "card check", "aria-label": "Sound check" }, h("div", null, h("h2", null, "Sound check"), text, button), h("div", { class: "ab" }, raw.element, clean.element));

  button.addEventListener("click", () => !check.busy && void check.run());
  for (const [one, other] of /** @type {[Track, Track][]} */ ([[raw, clean], [clean, raw]])) {
    one.button.addEventListener("click", () => {
      other.player.pause();
      if (one.player.paused) void one.player.play().catch(() => undefined);
      else one.player.pause();
    });
  }

  function paint() {
    const bars = check.bars(raw.canvas.clientWidth);
    drawCame(raw.canvas, bars, noiseFloor(bars.map(({ pair }) => pair)), LOOK);
    drawWent(clean.canvas, check.clean ? bars : [], LOOK);
  }

  function changed() {
    raw.put(check.have === SECONDS && !check.busy ? wav(check.raw) : null);
    clean.put(check.clean ? wav(check.clean) : null);
    show();
  }

  function show() {
    element.hidden = publisher.music;
    const off = store.config?.denoise.state === "off";
    if (publisher.state !== "idle" && check.busy) check.stop();
    if (publisher.state !== "idle") for (const { player } of [raw, clean]) player.pause();
    button.setAttribute("aria-disabled", String(check.busy));
    button.disabled = off || publisher.microphone.unavailable() !== null;
    say(text, check.words());
    say(label, check.label());
    if (check.blend() && check.clean) clean.put(wav(check.clean));
    paint();
  }

  const scheme = window.matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", paint);
  return {
    element,
    show,
    stop() {
      check.stop();
      scheme.removeEventListener("change", paint);
      for (const { put } of [raw, clean]) put(null);
    },
  };
}
