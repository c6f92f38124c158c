/**
 * Parts of a recording that are gone past or not heard: pauses that somebody skips, people whom somebody mutes. The
 * element is moved and turned down while it plays; nothing is fetched for it.
 */

import { Emitter } from "../emitter.js";
import { recall, remember } from "../settings.js";

/** @typedef {[number, number]} Span from, to, seconds */

/** What is left of a pause, so that speech does not run together. */
const BREATH_S = 0.3;
/** A jump costs the browser a moment: for less than this it is not worth it. */
const WORTH_S = 0.6;
const STEP_MS = 40;
/** Turned down and up in so many steps, so that nothing clicks. */
const FADE = 1 / 3;

/** @param {Span[]} spans in order, apart @param {number} at @returns {Span | null} the one that holds it */
export function holding(spans, at) {
  let [low, high] = [0, spans.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((spans[middle]?.[0] ?? Infinity) <= at) low = middle + 1;
    else high = middle;
  }
  const span = spans[low - 1];
  return span && at < span[1] ? span : null;
}

export class Passages extends Emitter {
  /** @param {import("./player.js").Player} player */
  constructor(player) {
    super();
    this.player = player;
    this.skip = recall("skip-silence", false);
    /** @type {Span[]} */
    this.pauses = [];
    /** @type {Span[]} */
    this.hushed = [];
    /** 1: as loud as was chosen. */
    this.gain = 1;
    this.timer = 0;
  }

  /** Another recording, or none. */
  reset() {
    this.pauses = [];
    this.hushed = [];
    this.become(1);
    this.changed();
  }

  /** @param {Span[]} pauses */
  setPauses(pauses) {
    this.pauses = pauses;
    this.changed();
  }

  /** @param {Span[]} hushed what is not to be heard */
  setHushed(hushed) {
    this.hushed = hushed;
    this.heed();
    this.changed();
  }

  /** @param {boolean} skip */
  setSkip(skip) {
    this.skip = skip;
    remember("skip-silence", skip);
    this.heed();
    this.changed();
  }

  /** @returns {number} seconds that skipping saves */
  get saves() {
    return this.pauses.reduce((sum, [from, to]) => sum + Math.max(0, to - from - BREATH_S), 0);
  }

  /** Look at where it is, again and again while it plays. */
  heed() {
    clearTimeout(this.timer);
    const { player } = this;
    if (player.source?.kind !== "recording") return;
    const at = player.position;
    const silent = holding(this.hushed, at);
    this.fade(silent ? 0 : 1);
    const playing = player.wanted && !player.audio.paused && !player.audio.seeking;
    const past = this.skip ? (holding(this.pauses, at) ?? silent) : null;
    if (playing && past && past[1] - at > WORTH_S + BREATH_S) player.seek(past[1] - BREATH_S);
    if (player.wanted) this.timer = setTimeout(() => this.heed(), STEP_MS);
  }

  /** @param {number} wanted */
  fade(wanted) {
    if (wanted === this.gain) return;
    const quiet = !this.player.wanted;
    const next = this.gain + Math.sign(wanted - this.gain) * FADE;
    this.become(quiet ? wanted : Math.min(1, Math.max(0, Math.abs(next - wanted) < FADE / 2 ? wanted : next)));
  }

  /** @param {number} gain */
  become(gain) {
    if (gain === this.gain) return;
    this.gain = gain;
    this.player.applyVolume();
  }
}
