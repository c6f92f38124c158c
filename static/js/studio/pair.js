/**
 * What came in above what went out, as bars on a scale of decibels: grey is noise, ink is voice.
 *
 * How much of a bar is voice is what the denoiser left of it; where nothing was taken out, what stands above the room.
 */

import { colour, fit } from "../palette.js";

/** @typedef {{ came: number, went: number }} Pair RMS of the same moment on both sides, dBFS */
/** @typedef {{ pitch: number, width: number, voice: string }} Look */
/** @typedef {{ x: number, pair: Pair }} Bar */

const LOWEST_DB = -58;
const HIGHEST_DB = -13;
const NOTHING_DB = -90;
const ABOVE_FLOOR_DB = 7;
const PAUSE_DB = 8;
/** In a pause what goes out is this far below the loudest that went out, or below what came in… */
const QUIETER_DB = 20;
/** … or, at a low strength, nearly as far below what came in as it can be. */
const SLACK_DB = 1;
const FEWEST_PAUSES = 8;
const MOST_DB = 60;

/** @param {number} level dBFS @returns {number} 0 to 1 */
function share(level) {
  return Math.min(1, Math.max(0, (level - LOWEST_DB) / (HIGHEST_DB - LOWEST_DB)));
}

/** @param {Pair[]} pairs @returns {number} the level of the room: a tenth of the time is quieter, dBFS */
export function noiseFloor(pairs) {
  const heard = pairs.map(({ came }) => came).filter((level) => level > NOTHING_DB);
  heard.sort((a, b) => a - b);
  return heard[Math.floor(heard.length / 10)] ?? NOTHING_DB;
}

/**
 * @param {Pair[]} pairs
 * @param {number} most that the denoiser takes out at the strength that is chosen, decibels
 * @returns {number | null} decibels of noise taken out, the middle of all pauses; null without
 */
export function takenOut(pairs, most) {
  const floor = noiseFloor(pairs);
  const loud = Math.max(...pairs.map(({ went }) => went));
  const pauses = pairs.filter(({ came, went }) => {
    if (came <= NOTHING_DB || came > floor + PAUSE_DB) return false;
    return went <= Math.max(loud, came) - QUIETER_DB || went <= came - most + SLACK_DB;
  });
  if (pauses.length < FEWEST_PAUSES) return null;
  const less = pauses.map(({ came, went }) => came - went).sort((a, b) => a - b);
  return Math.min(MOST_DB, Math.max(0, Math.round(less[less.length >> 1] ?? 0)));
}

/** @param {number} decibel @returns {string} "27 dB", "more than 60 dB" */
export function decibels(decibel) {
  return decibel >= MOST_DB ? `more than ${MOST_DB} dB` : `${decibel} dB`;
}

/** @param {number} level dBFS @returns {string} */
export function levelWords(level) {
  return level <= NOTHING_DB ? "silent" : `−${Math.abs(Math.round(level))} dB`;
}

/** @param {Pair} pair @param {number} floor @returns {number} dBFS of what is voice in it */
function voiceOf({ came, went }, floor) {
  if (went < came - 1) return went;
  return came > floor + ABOVE_FLOOR_DB ? came : NOTHING_DB;
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Bar[]} bars
 * @param {number} floor dBFS
 * @param {Look} look
 */
export function drawCame(canvas, bars, floor, look) {
  draw(canvas, look, (reach) => {
    for (const { x, pair } of bars) {
      reach(x, share(pair.came), "line-strong");
      reach(x, share(voiceOf(pair, floor)), look.voice);
    }
  });
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Bar[]} bars
 * @param {Look} look
 */
export function drawWent(canvas, bars, look) {
  const surface = draw(canvas, look, (reach) => {
    for (const { x, pair } of bars) reach(x, share(pair.went), look.voice);
  });
  if (!surface) return;
  surface.context.fillStyle = colour(look.voice);
  surface.context.fillRect(0, surface.height / 2 - 0.75, surface.width, 1.5);
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Look} look
 * @param {(reach: (x: number, part: number, name: string) => void) => void} paint
 */
function draw(canvas, look, paint) {
  const surface = fit(canvas);
  if (!surface) return null;
  const { context, height } = surface;
  const middle = height / 2;
  const room = middle - look.width / 2 - 1;
  context.lineWidth = look.width;
  paint((x, part, name) => {
    if (part <= 0) return;
    context.strokeStyle = colour(name);
    context.beginPath();
    context.moveTo(x, middle - part * room);
    context.lineTo(x, middle + part * room);
    context.stroke();
  });
  return surface;
}
