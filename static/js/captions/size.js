/** How large captions are, as this browser remembers it. */

import { h } from "../dom.js";
import { recall, remember } from "../settings.js";

const SIZES = [0.64, 0.8, 1, 1.25, 1.5625, 1.953];
const USUAL = 2;

/** @param {HTMLElement} place whose captions they are @param {() => void} changed */
export function textSize(place, changed) {
  let at = Math.min(SIZES.length - 1, Math.max(0, Number(recall("caption-size", USUAL)) || 0));
  /** @type {{ less: HTMLButtonElement, more: HTMLButtonElement }[]} */
  const steppers = [];

  const show = () => {
    place.style.setProperty("--cap-scale", String(SIZES[at]));
    for (const { less, more } of steppers) {
      less.disabled = at === 0;
      more.disabled = at === SIZES.length - 1;
    }
    changed();
  };
  const step = (/** @type {number} */ by) => {
    at = Math.min(SIZES.length - 1, Math.max(0, at + by));
    remember("caption-size", at);
    show();
  };
  show();
  return {
    /** @returns {HTMLElement} a pair of buttons; there may be several */
    stepper() {
      const less = h("button", { type: "button", "aria-label": "Smaller text", data: { testid: "text-smaller" }, on: { click: () => step(-1) } }, "A");
      const more = h("button", { type: "button", "aria-label": "Larger text", data: { testid: "text-larger" }, on: { click: () => step(1) } }, "A");
      steppers.push({ less, more });
      show();
      return h("div", { class: "stepper", role: "group", "aria-label": "Text size" }, less, more);
    },
  };
}
