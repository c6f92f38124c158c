/** The levels of the last seconds of a stream, as the server measures them, and where "now" is among them. */

/** @typedef {import("./pair.js").Pair} Pair */
/** @typedef {{ at: number, step: number, in: number[], out: number[] }} Levels samples at 48 kHz and dBFS */

const RATE = 48_000;
const KEPT_S = 24;
/** The picture lags by this much, so that the next levels are there before they are due. */
const LAG = 0.3 * RATE;
const JUMP = RATE;

export class History {
  constructor() {
    this.step = RATE / 10;
    /** @type {Map<number, Pair>} by number of the step, oldest first */
    this.pairs = new Map();
    /** @type {number | null} samples that the page's clock is ahead of the stream's */
    this.offset = null;
    this.arrived = -Infinity;
    /** Sample up to which there are levels. */
    this.end = 0;
  }

  clear() {
    this.pairs.clear();
    this.offset = null;
    this.arrived = -Infinity;
  }

  /** @param {Levels} levels @param {number} now milliseconds */
  take(levels, now) {
    this.step = levels.step;
    const first = Math.round(levels.at / levels.step);
    levels.in.forEach((came, number) => this.pairs.set(first + number, { came, went: levels.out[number] ?? came }));
    const end = levels.at + levels.in.length * levels.step;
    this.end = end;
    for (const number of this.pairs.keys()) {
      if (number * levels.step > end - KEPT_S * RATE) break;
      this.pairs.delete(number);
    }
    const ahead = (now * RATE) / 1000 - end;
    this.arrived = now;
    if (this.offset === null || Math.abs(ahead - this.offset) > JUMP) this.offset = ahead;
    else this.offset += (ahead - this.offset) * 0.05;
  }

  /** @param {number} now milliseconds @param {boolean} still whether it moves on once a second only */
  head(now, still) {
    if (this.offset === null) return 0;
    const head = (now * RATE) / 1000 - this.offset - LAG;
    return still ? Math.floor(head / RATE) * RATE : head;
  }

  /** @param {number} number @returns {Pair[]} the newest, oldest first */
  latest(number) {
    return [...this.pairs.values()].slice(-number);
  }

  /**
   * The loudest of each stretch of `length` samples, for as many stretches as have been heard wholly before `head`.
   * @param {number} head
   * @param {number} length at least a step
   * @param {number} count
   * @returns {{ back: number, pair: Pair }[]} `back`: stretches from its end to `head`
   */
  stretches(head, length, count) {
    const out = [];
    const last = Math.floor(head / length) - 1;
    for (let number = last; number > last - count && number >= 0; number -= 1) {
      const pair = this.loudest(number * length, (number + 1) * length);
      if (pair) out.push({ back: head / length - number - 1, pair });
    }
    return out;
  }

  /** @param {number} from @param {number} to @returns {Pair | null} of the steps that begin in there */
  loudest(from, to) {
    const found = [];
    for (let number = Math.ceil(from / this.step); number * this.step < to; number += 1) {
      const pair = this.pairs.get(number);
      if (pair) found.push(pair);
    }
    if (found.length === 0) return null;
    return { came: Math.max(...found.map(({ came }) => came)), went: Math.max(...found.map(({ went }) => went)) };
  }
}
