/** How much of the noise is taken out: a slider with words. */

import { words } from "../api.js";
import { h, say } from "../dom.js";
import { fill } from "../parts.js";
import { toast } from "../toast.js";

/** @typedef {import("./publisher.js").Publisher} Publisher */

const DEEPEST_DB = 40;

/** @param {number} strength 0 to 1 @returns {string} */
export function strengthName(strength) {
  if (strength >= 1) return "Full";
  if (strength >= 0.7) return "Strong";
  if (strength >= 0.4) return "Medium";
  return strength > 0 ? "Gentle" : "Nothing";
}

/** @param {number} strength 0 to 1 @returns {number} how much of the original is mixed back, as the server does it */
export function originalShare(strength) {
  return 10 ** (-deepest(strength) / 20);
}

/** @param {number} strength 0 to 1 @returns {number} how much is taken out of a sound at most, decibels */
export function deepest(strength) {
  return strength >= 1 ? Infinity : DEEPEST_DB * Math.max(0, strength);
}

/**
 * @param {Publisher} publisher
 * @param {string} testid
 * @param {() => boolean} able
 */
export function strengthSlider(publisher, testid, able) {
  const range = h("input", { type: "range", min: "0", max: "100", step: "5", "aria-label": "How much of the noise is taken out", data: { testid } });
  const bubble = h("output", { "aria-hidden": "true" });
  range.addEventListener("input", () => {
    publisher.setStrength(Number(range.value) / 100).catch((error) => toast(words(error)));
  });
  return {
    element: h("div", { class: "strength" }, range, bubble),
    show() {
      const { strength } = publisher;
      const percent = Math.round(strength * 100);
      range.value = String(percent);
      range.disabled = !able();
      range.setAttribute("aria-valuetext", `${percent} %, ${strengthName(strength).toLowerCase()}`);
      range.parentElement?.style.setProperty("--at", String(strength));
      say(bubble, `${strengthName(strength)} · ${percent} %`);
      fill(range);
    },
  };
}
