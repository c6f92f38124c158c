/** The input level as a ring of ticks: it starts at six o'clock and climbs both sides; its top tenth is too loud. */

import { colour, fit } from "../palette.js";

const LOWEST_DB = -60;
const RELEASE_DB_PER_MS = 60 / 300;

/**
 * @typedef {object} RingState
 * @property {number} level dBFS
 * @property {number} floor dBFS
 * @property {number} held dBFS, the peak held for a second
 * @property {boolean} live
 * @property {boolean} heard whether, being live, one is heard
 * @property {number} hold 0 to 1: how far a hold to stop has come
 */

/** @param {number} decibel @returns {number} 0 to 1 of the ring */
function part(decibel) {
  return Math.min(1, Math.max(0, (decibel - LOWEST_DB) / -LOWEST_DB));
}

export class Ring {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.shown = LOWEST_DB;
    this.last = 0;
  }

  /** @param {RingState} state @param {number} now milliseconds */
  draw(state, now) {
    const surface = fit(this.canvas);
    if (!surface) return;
    const fall = (now - this.last) * RELEASE_DB_PER_MS;
    this.shown = Math.max(state.level, Math.min(this.shown, 0) - fall, LOWEST_DB);
    this.last = now;
    const { context, width } = surface;
    // Drawn at 280 with a disc of 204, or live at 184 with a disc of 128; scaled to what there is.
    const full = state.live ? { size: 184, inner: 73, lit: 14, off: 5, ticks: 80 } : { size: 280, inner: 114, lit: 18, off: 6, ticks: 96 };
    const scale = width / full.size;
    context.translate(width / 2, width / 2);
    context.scale(scale, scale);
    this.ticks(context, full, state);
    if (state.hold > 0) arc(context, full.inner - 5, state.hold);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {{ inner: number, lit: number, off: number, ticks: number }} full
   * @param {RingState} state
   */
  ticks(context, full, state) {
    const half = full.ticks / 2;
    const lit = Math.round(part(this.shown) * half);
    const noise = Math.round(part(Math.min(state.floor, this.shown)) * half);
    const held = Math.round(part(state.held) * half) - 1;
    context.lineWidth = 3;
    for (let step = 0; step < half; step += 1) {
      const hot = step >= half * 0.9;
      const [length, stroke, alpha] = this.tick(step, { lit, noise, held, hot }, full, state.heard);
      context.strokeStyle = stroke;
      context.globalAlpha = alpha;
      const angle = ((step + 0.5) / half) * Math.PI;
      for (const side of [-1, 1]) line(context, side * angle, full.inner, full.inner + length);
    }
    context.globalAlpha = 1;
  }

  /**
   * @param {number} step
   * @param {{ lit: number, noise: number, held: number, hot: boolean }} at
   * @param {{ lit: number, off: number }} full
   * @param {boolean} heard
   * @returns {[number, string, number]} length, colour, opacity
   */
  tick(step, { lit, noise, held, hot }, full, heard) {
    const voice = colour(heard ? "live" : "ink");
    if (step < noise) return [full.lit * 0.72, colour("line-strong"), 1];
    if (step < lit) return [full.lit, hot ? colour("warn") : voice, 1];
    if (step === held && held > noise) return [full.lit, hot ? colour("warn") : voice, 1];
    return hot ? [full.off, colour("warn"), 0.55] : [full.off, colour("line"), 1];
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number} angle from six o'clock
 * @param {number} from
 * @param {number} to
 */
function line(context, angle, from, to) {
  const x = Math.sin(angle);
  const y = Math.cos(angle);
  context.beginPath();
  context.moveTo(x * from, y * from);
  context.lineTo(x * to, y * to);
  context.stroke();
}

/** @param {CanvasRenderingContext2D} context @param {number} radius @param {number} share of the circle */
function arc(context, radius, share) {
  context.strokeStyle = colour("ink");
  context.lineWidth = 4;
  context.beginPath();
  context.arc(0, 0, radius, -Math.PI / 2, -Math.PI / 2 + share * 2 * Math.PI);
  context.stroke();
}
