/** Keeps the screen on while one is live: a phone that sleeps takes the microphone with it. */
export class Wake {
  constructor() {
    /** @type {WakeLockSentinel | null} */
    this.lock = null;
    this.wanted = false;
    document.addEventListener("visibilitychange", () => {
      // The system lets go whenever the page is hidden.
      if (this.wanted && document.visibilityState === "visible") void this.hold();
    });
  }

  async hold() {
    this.wanted = true;
    try {
      this.lock = (await navigator.wakeLock?.request("screen")) ?? null;
    } catch {
      this.lock = null; // Low battery or no such thing here: the broadcast goes on all the same.
    }
  }

  release() {
    this.wanted = false;
    void this.lock?.release();
    this.lock = null;
  }
}
