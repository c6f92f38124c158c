/** How long something takes that is so far and was less far before. */

import { count } from "../format.js";

/** What happened longer ago says little. */
const WINDOW_MS = 15_000;
const FEW_MS = 2000;

export class Pace {
  constructor() {
    /** @type {{ at: number, share: number }[]} */
    this.seen = [];
  }

  /** @param {number} share 0 to 1 @param {number} [at] milliseconds */
  saw(share, at = performance.now()) {
    const last = this.seen.at(-1);
    if (last && share < last.share) this.seen = [];
    if (last && share === last.share && this.seen.length > 1) return;
    this.seen.push({ at, share });
    while (this.seen.length > 2 && at - (this.seen[0]?.at ?? at) > WINDOW_MS) this.seen.shift();
  }

  /** @param {number} [now] milliseconds @returns {number | null} seconds; null: not to be said yet */
  left(now = performance.now()) {
    const [first, last] = [this.seen[0], this.seen.at(-1)];
    if (!first || !last || last.share <= first.share || now - first.at < FEW_MS) return null;
    const each = (now - first.at) / (last.share - first.share);
    return Math.max(0, (each * (1 - last.share)) / 1000);
  }
}

/** @param {number} seconds @returns {string} "a few seconds", "40 seconds", "3 minutes", "2 hours" */
export function about(seconds) {
  if (seconds < 8) return "a few seconds";
  if (seconds < 55) return `${Math.ceil(seconds / 10) * 10} seconds`;
  const minutes = Math.max(1, Math.round(seconds / 60));
  return minutes < 90 ? count(minutes, "minute") : count(Math.round(minutes / 60), "hour");
}
