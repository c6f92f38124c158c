/** A recording's sound as bars in the colours of who speaks: what was heard in full, what is to come paler; a press goes there. */

import { h, say } from "../dom.js";
import { clock, spokenTime } from "../format.js";
import { colour, fit } from "../palette.js";

const PITCH = 4;
const BAR = 2.6;

/** @typedef {import("../types.js").Peaks} Peaks */
/** @typedef {{ from: number, to: number, hue: number, name: string }} Spoken seconds, in order */

/**
 * The loudest of what falls into each bar.
 * @param {number[]} peaks 0 to 1
 * @param {number} bars
 * @param {number} [first] where the bars begin and end, of all peaks, 0 to 1
 * @param {number} [last]
 * @returns {number[]}
 */
export function condense(peaks, bars, first = 0, last = 1) {
  const out = new Array(bars).fill(0);
  if (peaks.length === 0) return out;
  const [begin, length] = [first * peaks.length, (last - first) * peaks.length];
  for (let bar = 0; bar < bars; bar += 1) {
    const from = Math.floor(begin + (bar * length) / bars);
    const to = Math.max(from + 1, Math.floor(begin + ((bar + 1) * length) / bars));
    for (let at = from; at < to; at += 1) out[bar] = Math.max(out[bar], peaks[at] ?? 0);
  }
  return out;
}

/**
 * Who has most of each bar: 0 where nobody speaks.
 * @param {Spoken[]} spoken
 * @param {number} bars
 * @param {number} from seconds
 * @param {number} to
 * @returns {number[]}
 */
export function hues(spoken, bars, from, to) {
  const shares = Array.from({ length: bars }, () => new Float32Array(9));
  const step = (to - from) / bars;
  for (const one of spoken) {
    const first = Math.max(0, Math.floor((one.from - from) / step));
    const last = Math.min(bars - 1, Math.floor((one.to - from) / step));
    for (let bar = first; bar <= last; bar += 1) {
      const [begin, end] = [from + bar * step, from + (bar + 1) * step];
      const share = shares[bar];
      if (share) share[one.hue] = (share[one.hue] ?? 0) + Math.max(0, Math.min(end, one.to) - Math.max(begin, one.from));
    }
  }
  return shares.map((share) => share.reduce((best, seconds, hue) => (seconds > (share[best] ?? 0) ? hue : best), 0));
}

/** @param {CanvasRenderingContext2D} context @param {number} x @param {number} from @param {number} to */
function line(context, x, from, to) {
  context.beginPath();
  context.moveTo(x, from);
  context.lineTo(x, to);
  context.stroke();
}

/** @param {string} key @param {number} whole @returns {number | undefined} seconds to go */
function keyStep(key, whole) {
  const steps = { ArrowLeft: -5, ArrowDown: -5, ArrowRight: 5, ArrowUp: 5, PageDown: -30, PageUp: 30, Home: -whole, End: whole };
  return Object.entries(steps).find(([name]) => name === key)?.[1];
}

export class Waveform {
  /**
   * @param {Peaks} peaks
   * @param {number} duration seconds of all
   * @param {[number, number]} range what of it is shown
   * @param {(seconds: number) => void} seek
   */
  constructor(peaks, duration, range, seek) {
    this.peaks = peaks;
    this.duration = duration;
    this.range = range;
    this.seek = seek;
    /** @type {Spoken[]} */
    this.spoken = [];
    this.position = 0;
    /** Seconds. @type {number | null} */
    this.hover = null;
    /** @type {{ bars: number[], hues: number[] } | null} */
    this.drawing = null;
    this.frame = 0;
    this.canvas = h("canvas", { class: "wave-canvas", role: "slider", tabIndex: 0, "aria-label": "Position in the recording", data: { testid: "waveform" } });
    this.now = h("span", { class: "tip", hidden: true, "aria-hidden": "true" });
    this.ghost = h("span", { class: "tip ghost", hidden: true, "aria-hidden": "true", dir: "auto", data: { testid: "hover-time" } });
    this.axis = h("div", { class: "axis", "aria-hidden": "true" });
    /** What lies over the picture: the handles of a trim. */
    this.over = h("div", { class: "wave-over" });
    /** What lies under it: the spectrogram. */
    this.element = h("div", { class: "wf" }, h("div", { class: "wave-box" }, this.canvas, this.over), this.now, this.ghost, this.axis);
    this.listen();
    this.setRange(range);
  }

  /** @returns {number} seconds that are shown */
  get length() {
    return Math.max(0.001, this.range[1] - this.range[0]);
  }

  listen() {
    const { canvas } = this;
    canvas.addEventListener("pointermove", (event) => event.pointerType === "mouse" && this.point(this.at(event)));
    canvas.addEventListener("pointerleave", () => this.point(null));
    canvas.addEventListener("click", (event) => this.seek(this.at(event)));
    canvas.addEventListener("keydown", (event) => {
      const step = event.altKey || event.ctrlKey || event.metaKey ? undefined : keyStep(event.key, this.length);
      if (step === undefined) return;
      event.preventDefault();
      event.stopPropagation();
      this.seek(Math.min(this.range[1], Math.max(this.range[0], this.position + step)));
    });
    this.resized = new ResizeObserver(() => this.again());
    this.resized.observe(canvas);
    this.scheme = window.matchMedia("(prefers-color-scheme: dark)");
    this.recolour = () => this.paint();
    this.scheme.addEventListener("change", this.recolour);
  }

  /** @param {MouseEvent} event @returns {number} seconds */
  at(event) {
    return this.range[0] + Math.min(1, Math.max(0, event.offsetX / this.canvas.clientWidth)) * this.length;
  }

  /** @param {number} seconds @returns {number} pixels */
  x(seconds) {
    return ((seconds - this.range[0]) / this.length) * this.canvas.clientWidth;
  }

  /** @param {[number, number]} range seconds */
  setRange(range) {
    this.range = range;
    const [from] = range;
    this.axis.replaceChildren(...[0, 0.25, 0.5, 0.75, 1].map((share) => h("span", null, clock(from + share * this.length))));
    this.canvas.setAttribute("aria-valuemin", String(Math.round(range[0])));
    this.canvas.setAttribute("aria-valuemax", String(Math.round(range[1])));
    this.again();
  }

  /** @param {Spoken[]} spoken who speaks when */
  setSpoken(spoken) {
    this.spoken = spoken;
    this.again();
  }

  /** @param {number | null} seconds under the mouse */
  point(seconds) {
    this.hover = seconds;
    this.ghost.hidden = seconds === null;
    if (seconds !== null) {
      const who = this.spoken.find(({ from, to }) => from <= seconds && seconds < to)?.name ?? "";
      this.put(this.ghost, seconds, who ? `${clock(seconds)} ${who}` : clock(seconds));
    }
    this.paint();
  }

  /** @param {HTMLElement} tip @param {number} seconds @param {string} text */
  put(tip, seconds, text) {
    tip.hidden = false;
    say(tip, text);
    const room = this.canvas.clientWidth;
    const half = tip.offsetWidth / 2;
    tip.style.setProperty("--x", `${Math.min(room - half, Math.max(half, this.x(seconds)))}px`);
  }

  /** @param {number} seconds where the sound is */
  show(seconds) {
    this.position = seconds;
    this.canvas.setAttribute("aria-valuenow", String(Math.round(seconds)));
    const who = this.spoken.find(({ from, to }) => from <= seconds && seconds < to)?.name;
    this.canvas.setAttribute("aria-valuetext", `${spokenTime(seconds)}${who ? `, ${who}` : ""}`);
    if (seconds > this.range[0]) this.put(this.now, seconds, clock(seconds));
    else this.now.hidden = true;
    this.paint();
  }

  /** Something about the bars is different. */
  again() {
    this.drawing = null;
    this.paint();
  }

  paint() {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.draw());
  }

  draw() {
    const surface = fit(this.canvas);
    if (!surface) return;
    const { context, width, height } = surface;
    const count = Math.floor(width / PITCH);
    const [first, last] = this.range.map((seconds) => (this.duration > 0 ? seconds / this.duration : 0));
    this.drawing ??= { bars: condense(this.peaks.peaks, count, first, last), hues: hues(this.spoken, count, ...this.range) };
    const { bars, hues: colours } = this.drawing;
    const top = Math.max(0.05, ...bars);
    const middle = height / 2;
    const played = this.x(this.position);
    context.lineWidth = BAR;
    for (const [at, peak] of bars.entries()) {
      const x = at * PITCH + BAR / 2;
      // A root makes quiet speech visible without hiding that loud is louder.
      const reach = Math.max(0.5, Math.sqrt(peak / top) * (middle - BAR));
      const hue = colours[at] ?? 0;
      context.strokeStyle = colour(hue ? `s${hue}` : "ink-3");
      context.globalAlpha = x <= played ? 1 : 0.5;
      line(context, x, middle - reach, middle + reach);
    }
    context.globalAlpha = 1;
    context.lineWidth = 2;
    context.strokeStyle = colour("ink");
    if (this.position > this.range[0]) line(context, Math.max(1, played), 0, height);
    if (this.hover === null) return;
    context.strokeStyle = colour("line-strong");
    context.setLineDash([2, 4]);
    line(context, this.x(this.hover), 0, height);
    context.setLineDash([]);
  }

  leave() {
    cancelAnimationFrame(this.frame);
    this.resized?.disconnect();
    if (this.recolour) this.scheme?.removeEventListener("change", this.recolour);
  }
}
