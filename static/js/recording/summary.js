/** What was said, in figures and by rules: shares, terms, questions, and what sounds like something to be done. */

import { words } from "../api.js";
import { h, say } from "../dom.js";
import { clock, count } from "../format.js";
import { getSummary } from "./api.js";

/** @typedef {import("./api.js").Summary} Summary */

/** @param {string} title @param {HTMLElement} body @param {string} [about] */
const block = (title, body, about) => h("section", null, h("h3", null, title), about ? h("p", { class: "sub" }, about) : null, body);

/** @param {{ start_s: number, speaker: string | null, text: string }[]} items @param {Summary["speakers"]} speakers @param {(seconds: number) => void} seek */
function quotes(items, speakers, seek) {
  const named = (/** @type {string | null} */ who) => speakers.find(({ label }) => label === who)?.name ?? who;
  return h("ul", { class: "quotes" }, ...items.map(({ start_s: from, speaker, text }) => h("li", null, h("button", { type: "button", class: "at tn", "aria-label": `Play from ${clock(from)}`, on: { click: () => seek(from) } }, clock(from)), h("span", { dir: "auto" }, speaker ? h("b", null, `${named(speaker)}: `) : null, text))));
}

/** @param {Summary} summary @param {(seconds: number) => void} seek */
function draw({ words: said, speakers, terms, questions, actions, text }, seek) {
  /** @type {HTMLElement[]} */
  const parts = [h("p", null, `${count(said, "word")}${speakers.length > 0 ? `, ${count(speakers.length, "speaker")}` : ""}.`)];
  if (text) parts.push(block("Written by a language model", h("div", { class: "model-text", dir: "auto" }, ...text.markdown.split(/\n{2,}/).map((one) => h("p", null, one.replace(/^#+\s*/, "")))), `By ${text.model}. It may be wrong.`));
  if (speakers.length > 0) parts.push(block("Who said how much", h("ul", { class: "spans" }, ...speakers.map((one) => h("li", { dir: "auto" }, `${one.name}: ${clock(one.seconds)}, ${Math.round(100 * one.share)} %, ${count(one.words, "word")} in ${count(one.turns, "turn")}`)))));
  if (terms.length > 0) parts.push(block("Words that come up most", h("p", { class: "terms" }, ...terms.map(({ text: term, count: times }) => h("span", { class: "term", dir: "auto" }, term, h("small", { class: "tn" }, ` ${times}`))))));
  if (questions.length > 0) parts.push(block("Questions", quotes(questions, speakers, seek)));
  if (actions.length > 0) parts.push(block("Perhaps to be done", quotes(actions, speakers, seek), "Found by rules, such as “I will”: read before you rely on it."));
  return parts;
}

/** @param {string} id of the recording @param {(seconds: number) => void} seek */
export function summary(id, seek) {
  const state = h("p", { class: "sub", role: "status" });
  const body = h("div", { class: "summary-body" });
  const element = h("details", { class: "more fold", hidden: true, data: { testid: "summary" } }, h("summary", null, "Summary"), state, body);
  element.addEventListener("toggle", async () => {
    if (!element.open) return;
    if (!body.childElementCount) say(state, "Reading…");
    try {
      body.replaceChildren(...draw(await getSummary(id), seek));
      say(state, "");
    } catch (error) {
      say(state, `There is no summary. ${words(error)}`);
    }
  });
  return { element };
}
