/** Reads captions out to those who use a screen reader: each once, when it is final, with who said it. */

import { h } from "../dom.js";
import { names } from "./speakers.js";

/** @typedef {import("./model.js").CaptionsModel} CaptionsModel */

/** A screen reader that is behind should not have to catch up with minutes. */
const KEPT = 6;

/** @param {CaptionsModel} model */
export function aloud(model) {
  const element = h("div", { class: "aloud", role: "log", "aria-live": "polite", "aria-relevant": "additions", "aria-label": "Captions as they are said", data: { testid: "captions-aloud" } });
  const tell = (/** @type {import("../types.js").Caption} */ caption) => {
    if (caption.hidden || !caption.text.trim()) return;
    const who = model.speakers.all(caption.speakers);
    const known = who.some(({ hue }) => hue > 0);
    element.append(h("p", null, known ? `${names(who)}: ${caption.text}` : caption.text));
    while (element.childElementCount > KEPT) element.firstElementChild?.remove();
  };
  model.finals.add(tell);
  return { element, stop: () => model.finals.delete(tell) };
}
