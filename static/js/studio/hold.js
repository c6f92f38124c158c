/**
 * A button that has to be held for a second, by pointer or by key (Enter, Space).
 *
 * Assistive technology that can only "press" sends a click of its own: the first one arms, a second within five
 * seconds fires.
 */

const HOLD_MS = 1000;
const ARMED_MS = 5000;

export class Hold {
  /**
   * @param {HTMLButtonElement} button
   * @param {object} options
   * @param {() => boolean} options.active whether the button has to be held now; else a press is a press
   * @param {() => void} options.press
   * @param {() => void} options.done
   * @param {(text: string) => void} options.hint
   */
  constructor(button, options) {
    this.button = button;
    this.options = options;
    this.since = 0;
    this.armedAt = -Infinity;
    /** Set until the finger that held is lifted: its click must not start anything. */
    this.spent = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    button.addEventListener("pointerdown", (event) => {
      this.spent = false;
      if (event.button === 0) this.begin();
    });
    for (const type of ["pointerup", "pointercancel", "pointerleave", "blur"]) {
      button.addEventListener(type, () => this.cancel());
    }
    button.addEventListener("contextmenu", (event) => this.options.active() && event.preventDefault());
    button.addEventListener("keydown", (event) => this.key(event));
    button.addEventListener("keyup", (event) => this.options.active() && (event.key === "Enter" || event.key === " ") && this.cancel());
    button.addEventListener("click", (event) => this.click(event));
  }

  /** @returns {number} 0 to 1 */
  get progress() {
    return this.since ? Math.min(1, (performance.now() - this.since) / HOLD_MS) : 0;
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.key !== "Enter" && event.key !== " ") return;
    if (event.repeat || this.options.active()) event.preventDefault();
    if (event.repeat) return;
    this.spent = false;
    this.begin();
  }

  begin() {
    if (!this.options.active() || this.since) return;
    this.since = performance.now();
    this.timer = setTimeout(() => this.fire(), HOLD_MS);
  }

  cancel() {
    if (!this.since) return;
    clearTimeout(this.timer);
    this.since = 0;
    if (this.options.active()) this.options.hint("Still live. Hold Stop for a second to stop.");
  }

  /** @param {MouseEvent} event */
  click(event) {
    if (this.spent) return;
    if (!this.options.active()) this.options.press();
    else if (event.detail !== 0) return;
    else if (performance.now() - this.armedAt < ARMED_MS) this.fire();
    else {
      this.armedAt = performance.now();
      this.options.hint("Press Stop once more to stop.");
    }
  }

  fire() {
    clearTimeout(this.timer);
    this.since = 0;
    this.armedAt = -Infinity;
    this.spent = true;
    this.options.done();
  }
}
