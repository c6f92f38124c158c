/** Whom of a recording's speakers one hears: some alone, or all but some. Where several speak at once all of them are heard. */

import { Emitter } from "../emitter.js";

/** @typedef {import("./passages.js").Span} Span */
/** @typedef {{ from: number, to: number, who: string[] }} Turn seconds, and the labels of who speaks */

/** What is left between two silent parts is a splinter. */
const SPLINTER_S = 0.25;

export class Hearing extends Emitter {
  constructor() {
    super();
    /** @type {Set<string>} */
    this.alone = new Set();
    /** @type {Set<string>} */
    this.muted = new Set();
  }

  /** @param {string} label */
  toggleAlone(label) {
    this.toggle(this.alone, label);
  }

  /** @param {string} label */
  toggleMuted(label) {
    this.toggle(this.muted, label);
  }

  /** @param {Set<string>} set @param {string} label */
  toggle(set, label) {
    if (!set.delete(label)) set.add(label);
    this.changed();
  }

  /** @returns {boolean} whether anything is left out */
  get choosy() {
    return this.alone.size > 0 || this.muted.size > 0;
  }

  /** @param {string} label @returns {boolean} */
  hears(label) {
    return this.alone.size > 0 ? this.alone.has(label) : !this.muted.has(label);
  }

  /**
   * @param {Turn[]} turns by their beginning
   * @param {number} duration seconds
   * @returns {Span[]} where nothing is to be heard, in order, apart
   */
  hushed(turns, duration) {
    if (!this.choosy) return [];
    const heard = joined(turns.filter(({ who }) => who.some((label) => this.hears(label))).map(({ from, to }) => [from, to]));
    // Alone means without the room, too; else only those are silent who are muted.
    if (this.alone.size > 0) return between(heard, duration);
    const silent = joined(turns.filter(({ who }) => who.length > 0 && !who.some((label) => this.hears(label))).map(({ from, to }) => [from, to]));
    return without(silent, heard);
  }
}

/** @param {Span[]} spans by their beginning @returns {Span[]} apart */
function joined(spans) {
  /** @type {Span[]} */
  const out = [];
  for (const [from, to] of [...spans].sort((a, b) => a[0] - b[0])) {
    const last = out.at(-1);
    if (last && from - last[1] < SPLINTER_S) last[1] = Math.max(last[1], to);
    else out.push([from, to]);
  }
  return out;
}

/** @param {Span[]} spans @param {number} duration @returns {Span[]} the rest */
function between(spans, duration) {
  /** @type {Span[]} */
  const out = [];
  let at = 0;
  for (const [from, to] of spans) {
    if (from > at) out.push([at, from]);
    at = Math.max(at, to);
  }
  if (duration > at) out.push([at, duration]);
  return out;
}

/** @param {Span[]} spans @param {Span[]} taken both in order, apart @returns {Span[]} */
function without(spans, taken) {
  /** @type {Span[]} */
  const out = [];
  let next = 0;
  for (const [from, to] of spans) {
    let at = from;
    while (next < taken.length && (taken[next]?.[1] ?? 0) <= from) next += 1;
    for (let index = next; index < taken.length; index += 1) {
      const [begin, end] = taken[index] ?? [Infinity, Infinity];
      if (begin >= to) break;
      if (begin > at) out.push([at, begin]);
      at = Math.max(at, end);
    }
    if (to > at) out.push([at, to]);
  }
  return out;
}
