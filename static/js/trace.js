/** The last seconds of sound as bars: grey is noise, ink is voice, now is on the right. */

import { colour, fit } from "./palette.js";

const LOWEST_DB = -58;
const HIGHEST_DB = -13;

/**
 * @typedef {{ level: number, voice: boolean }} Bar
 * @typedef {{ pitch: number, width: number, voice: string, noise: string }} Look
 */

/** @type {Look} */
export const INPUT_LOOK = { pitch: 5, width: 2.6, voice: "ink", noise: "line-strong" };

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Bar[]} bars newest last
 * @param {Look} [look]
 */
export function drawTrace(canvas, bars, look = INPUT_LOOK) {
  const surface = fit(canvas);
  if (!surface) return;
  const { context, width, height } = surface;
  const middle = height / 2;
  const room = middle - look.width / 2 - 1;
  context.lineWidth = look.width;
  let x = width - look.width;
  for (let at = bars.length - 1; at >= 0 && x > 0; at -= 1, x -= look.pitch) {
    const bar = bars[at];
    if (!bar) continue;
    const share = Math.min(1, Math.max(0, (bar.level - LOWEST_DB) / (HIGHEST_DB - LOWEST_DB)));
    const reach = Math.max(0.1, share * room);
    context.strokeStyle = colour(bar.voice ? look.voice : look.noise);
    context.beginPath();
    context.moveTo(x, middle - reach);
    context.lineTo(x, middle + reach);
    context.stroke();
  }
}
