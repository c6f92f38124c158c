/** Waiting longer after each failure, with much chance in it so that many pages do not come back at once. */

/** What the server may ask for at most; who waits longer than that is forgotten by it. */
const MOST_ASKED_MS = 30_000;

export class Backoff {
  /**
   * @param {number} first milliseconds
   * @param {number} most milliseconds
   */
  constructor(first = 500, most = 8000) {
    this.first = first;
    this.most = most;
    this.attempts = 0;
    /** @type {(() => void) | null} */
    this.wake = null;
  }

  reset() {
    this.attempts = 0;
  }

  /** Cut the present wait short: the network is back. */
  hurry() {
    this.wake?.();
  }

  /** @param {number} [atLeast] milliseconds the server asked for */
  async wait(atLeast = 0) {
    const full = Math.min(this.most, this.first * 2 ** this.attempts);
    this.attempts += 1;
    const pause = Math.min(MOST_ASKED_MS, atLeast * (1 + Math.random() / 4)) + full * (0.5 + Math.random());
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, pause);
      this.wake = () => {
        clearTimeout(timer);
        resolve(undefined);
      };
    });
    this.wake = null;
  }
}
