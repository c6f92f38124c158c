/** What happens to the sound on its way: the noise taken out or not, how much of it. */

import { words } from "../api.js";
import { h, tell } from "../dom.js";
import { toggle } from "../parts.js";
import { store } from "../store.js";
import { toast } from "../toast.js";
import { strengthSlider } from "./strength.js";
import { denoiseWords } from "./words.js";

/** @typedef {import("./publisher.js").Publisher} Publisher */

/** @param {Promise<unknown>} work whose failure the person should hear of */
export function report(work) {
  work.catch((error) => toast(words(error)));
}

/** @param {Publisher} publisher */
function noise(publisher) {
  const control = toggle("denoise", "denoise-words", (on) => report(publisher.setDenoise(on)));
  const slider = strengthSlider(publisher, "strength", () => denoiseWords(publisher, store.config).on);
  const ends = h("div", { class: "ends", "aria-hidden": "true" }, h("span", null, "keep some room"), h("span", null, "only the voice"));
  const text = h("p", { class: "sub", data: { testid: "denoise-words" } });
  const element = h("div", null, h("h2", null, h("span", { id: "denoise-words" }, "Take the noise out"), control.element), slider.element, ends, text);
  return {
    element,
    show() {
      element.hidden = publisher.music;
      const state = denoiseWords(publisher, store.config);
      control.set(state.on, state.enabled);
      slider.show();
      ends.classList.toggle("dim", !state.on);
      tell(text, state.text);
    },
  };
}

/** @param {Publisher} publisher */
function music(publisher) {
  const control = toggle("music", "music-words", (on) => report(publisher.setMusic(on)));
  const text = h("p", { class: "sub" }, "Stereo, at a high rate, and nothing is taken out.");
  return {
    element: h("div", null, h("h2", null, h("span", { id: "music-words" }, "Music"), control.element), text),
    show: () => control.set(publisher.music, publisher.state === "idle"),
  };
}

/** @param {Publisher} publisher */
export function soundChoice(publisher) {
  const parts = [noise(publisher), music(publisher)];
  return {
    element: h("div", { class: "sound before-air" }, ...parts.map((part) => part.element)),
    show: () => parts.forEach((part) => part.show()),
  };
}

/** The published post-filter; only DeepFilterNet has one. @param {Publisher} publisher */
export function leftoverOption(publisher) {
  const control = toggle("post-filter", "post-filter-words", (on) => report(publisher.setPostFilter(on)));
  const element = h("div", { class: "option" }, h("span", { id: "post-filter-words" }, "Quieten leftover noise more"), control.element);
  return {
    element,
    show() {
      const engine = publisher.stream?.denoise.engine ?? store.config?.denoise.engine ?? "";
      element.hidden = publisher.music || !engine.startsWith("DeepFilterNet");
      control.set(publisher.postFilter, denoiseWords(publisher, store.config).on);
    },
  };
}
