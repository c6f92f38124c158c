/** Waiting longer after each failure, with some chance in it so that many pages do not come back at once. */

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
    const pause = Math.max(atLeast, full * (0.75 + Math.random() / 2));
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
