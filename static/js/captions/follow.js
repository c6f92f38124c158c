/** Follows the end of a box that grows, until the person scrolls back; then what is read stays where it is. */

import { Emitter } from "../emitter.js";

const NEAR_PX = 32;

export class Follow extends Emitter {
  /** @param {HTMLElement} box that scrolls */
  constructor(box) {
    super();
    this.box = box;
    this.on = true;
    this.top = 0;
    /** @type {{ element: Element, at: number } | null} */
    this.anchor = null;
    box.addEventListener("scroll", () => this.scrolled(), { passive: true });
    this.resized = new ResizeObserver(() => this.on && this.toEnd());
    this.resized.observe(box);
  }

  get atEnd() {
    return this.box.scrollHeight - this.box.scrollTop - this.box.clientHeight <= NEAR_PX;
  }

  scrolled() {
    const up = this.box.scrollTop < this.top - 2;
    this.top = this.box.scrollTop;
    if (this.atEnd) this.set(true);
    else if (up) this.set(false);
  }

  /** @param {boolean} on */
  set(on) {
    if (on === this.on) return;
    this.on = on;
    this.changed();
  }

  /** Go to the newest and stay with it. */
  toEnd() {
    this.box.scrollTop = this.box.scrollHeight;
    this.top = this.box.scrollTop;
    this.set(true);
  }

  /** @param {() => void} change to what is in the box; what one reads does not move */
  during(change) {
    const anchor = this.on ? null : this.reading();
    change();
    if (this.on) this.toEnd();
    else if (anchor?.element.isConnected) {
      this.box.scrollTop += anchor.element.getBoundingClientRect().top - anchor.at;
      this.top = this.box.scrollTop;
    }
  }

  /** @returns {{ element: Element, at: number } | null} the first that is seen */
  reading() {
    const { top } = this.box.getBoundingClientRect();
    for (const element of this.box.querySelectorAll(".cap")) {
      const place = element.getBoundingClientRect();
      if (place.bottom > top) return { element, at: place.top };
    }
    return null;
  }

  stop() {
    this.resized.disconnect();
  }
}
