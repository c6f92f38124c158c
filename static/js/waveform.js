/** A recording's sound as bars: what was heard in full ink, what is to come paler; a press goes there. */

import { h, say } from "./dom.js";
import { clock, spokenTime } from "./format.js";
import { colour, fit } from "./palette.js";

const PITCH = 4;
const BAR = 2.6;

/** @typedef {import("./types.js").Peaks} Peaks */

/**
 * The loudest of what falls into each bar.
 * @param {number[]} peaks 0 to 1
 * @param {number} bars
 * @returns {number[]}
 */
export function condense(peaks, bars) {
  const out = new Array(bars).fill(0);
  if (peaks.length === 0) return out;
  for (let bar = 0; bar < bars; bar += 1) {
    const from = Math.floor((bar * peaks.length) / bars);
    const to = Math.max(from + 1, Math.floor(((bar + 1) * peaks.length) / bars));
    for (let at = from; at < to; at += 1) out[bar] = Math.max(out[bar], peaks[at] ?? 0);
  }
  return out;
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {number[]} peaks
 * @param {number} share played, 0 to 1
 * @param {number | null} hover 0 to 1
 */
function draw(canvas, peaks, share, hover) {
  const surface = fit(canvas);
  if (!surface) return;
  const { context, width, height } = surface;
  const bars = condense(peaks, Math.floor(width / PITCH));
  const top = Math.max(0.05, ...bars);
  const middle = height / 2;
  context.lineWidth = BAR;
  context.strokeStyle = colour("ink");
  bars.forEach((peak, at) => {
    const x = at * PITCH + BAR / 2;
    // A root makes quiet speech visible without hiding that loud is louder.
    const reach = Math.max(0.5, Math.sqrt(peak / top) * (middle - BAR));
    context.globalAlpha = x / width <= share ? 1 : 0.42;
    line(context, x, middle - reach, middle + reach);
  });
  context.globalAlpha = 1;
  context.lineWidth = 2;
  if (share > 0) line(context, Math.max(1, share * width), 0, height);
  if (hover === null) return;
  context.strokeStyle = colour("line-strong");
  context.setLineDash([2, 4]);
  line(context, hover * width, 0, height);
  context.setLineDash([]);
}

/** @param {CanvasRenderingContext2D} context @param {number} x @param {number} from @param {number} to */
function line(context, x, from, to) {
  context.beginPath();
  context.moveTo(x, from);
  context.lineTo(x, to);
  context.stroke();
}

/** @param {number} duration seconds */
function axis(duration) {
  const marks = [0, 0.25, 0.5, 0.75, 1].map((share) => h("span", null, clock(share * duration)));
  return h("div", { class: "axis", "aria-hidden": "true" }, marks);
}

/** @param {string} key @param {number} duration @returns {number | undefined} seconds to go */
function keyStep(key, duration) {
  const steps = { ArrowLeft: -5, ArrowDown: -5, ArrowRight: 5, ArrowUp: 5, PageDown: -30, PageUp: 30, Home: -duration, End: duration };
  return Object.entries(steps).find(([name]) => name === key)?.[1];
}

/** @param {number} duration seconds */
function waveElements(duration) {
  const canvas = h("canvas", { class: "wave-canvas", role: "slider", tabIndex: 0, "aria-label": "Position in the recording", "aria-valuemin": "0", "aria-valuemax": String(Math.round(duration)), data: { testid: "waveform" } });
  const now = h("span", { class: "tip", hidden: true, "aria-hidden": "true" });
  const ghost = h("span", { class: "tip ghost", hidden: true, "aria-hidden": "true" });
  return { canvas, now, ghost, element: h("div", { class: "wf" }, canvas, now, ghost, axis(duration)) };
}

/**
 * @param {Peaks} peaks
 * @param {number} duration seconds
 * @param {(seconds: number) => void} seek
 */
export function waveform(peaks, duration, seek) {
  const { canvas, now, ghost, element } = waveElements(duration);
  let position = 0;
  /** @type {number | null} */
  let hover = null;

  const paint = () => draw(canvas, peaks.peaks, duration > 0 ? position / duration : 0, hover);
  const put = (/** @type {HTMLElement} */ tip, /** @type {number} */ share) => {
    tip.hidden = false;
    say(tip, clock(share * duration));
    const room = canvas.clientWidth;
    tip.style.setProperty("--x", `${Math.min(room - 28, Math.max(28, share * room))}px`);
  };
  const shareAt = (/** @type {PointerEvent} */ event) => Math.min(1, Math.max(0, event.offsetX / canvas.clientWidth));

  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerType !== "mouse") return;
    hover = shareAt(event);
    put(ghost, hover);
    paint();
  });
  canvas.addEventListener("pointerleave", () => {
    hover = null;
    ghost.hidden = true;
    paint();
  });
  canvas.addEventListener("click", (event) => seek(shareAt(/** @type {PointerEvent} */ (event)) * duration));
  canvas.addEventListener("keydown", (event) => {
    const step = keyStep(event.key, duration);
    if (step === undefined) return;
    event.preventDefault();
    seek(Math.min(duration, Math.max(0, position + step)));
  });
  const resized = new ResizeObserver(paint);
  resized.observe(canvas);
  const scheme = window.matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", paint);

  return {
    element,
    /** @param {number} seconds */
    show(seconds) {
      position = seconds;
      canvas.setAttribute("aria-valuenow", String(Math.round(seconds)));
      canvas.setAttribute("aria-valuetext", spokenTime(seconds));
      if (seconds > 0 && duration > 0) put(now, seconds / duration);
      else now.hidden = true;
      paint();
    },
    leave() {
      resized.disconnect();
      scheme.removeEventListener("change", paint);
    },
  };
}
