/** What was said, in figures and by rules: shares, terms, questions, and what sounds like something to be done. */

import { words } from "../api.js";
import { getJobs } from "../captions/api.js";
import { h, say } from "../dom.js";
import { clock, count, exact, relative } from "../format.js";
import { store } from "../store.js";
import { getSummary, writeSummary } from "./api.js";

/** @typedef {import("./api.js").Summary} Summary */
/** @typedef {import("../captions/api.js").Job} Job */

/** @param {string} title @param {HTMLElement} body @param {string} [about] @param {HTMLElement | null} [origin] */
const block = (title, body, about = "", origin = null) => h("section", null, h("h3", null, title), about ? h("p", { class: "sub" }, about) : null, origin, body);

/** @param {{ start_s: number, speaker: string | null, text: string }[]} items @param {Summary["speakers"]} speakers @param {(seconds: number) => void} seek */
function quotes(items, speakers, seek) {
  const named = (/** @type {string | null} */ who) => speakers.find(({ label }) => label === who)?.name ?? who;
  return h("ul", { class: "quotes" }, ...items.map(({ start_s: from, speaker, text }) => h("li", null, h("button", { type: "button", class: "at tn", "aria-label": `Play from ${clock(from)}`, on: { click: () => seek(from) } }, clock(from)), h("span", { dir: "auto" }, speaker ? h("b", null, `${named(speaker)}: `) : null, text))));
}

/** @param {Summary} summary @param {(seconds: number) => void} seek */
function draw({ words: said, speakers, terms, questions, actions, text }, seek) {
  /** @type {HTMLElement[]} */
  const parts = [h("p", null, `${count(said, "word")}${speakers.length > 0 ? `, ${count(speakers.length, "speaker")}` : ""}.`)];
  if (text) parts.push(block("Written by a language model", h("div", { class: "model-text", dir: "auto", data: { testid: "model-text" } }, ...text.markdown.split(/\n{2,}/).map((one) => h("p", null, one.replace(/^#+\s*/, "")))), "", h("p", { class: "sub" }, `By ${text.model}, `, h("time", { dateTime: text.made_at, title: exact(text.made_at) }, relative(text.made_at)), `. It may be wrong.${text.outdated ? " The transcript has changed since." : ""}`)));
  if (speakers.length > 0) parts.push(block("Who said how much", h("ul", { class: "spans" }, ...speakers.map((one) => h("li", { dir: "auto" }, `${one.name}: ${clock(one.seconds)}, ${Math.round(100 * one.share)} %, ${count(one.words, "word")} in ${count(one.turns, "turn")}`)))));
  if (terms.length > 0) parts.push(block("Words that come up most", h("p", { class: "terms" }, ...terms.map(({ text: term, count: times }) => h("span", { class: "term", dir: "auto" }, term, h("small", { class: "tn" }, ` ${times}`))))));
  if (questions.length > 0) parts.push(block("Questions", quotes(questions, speakers, seek)));
  if (actions.length > 0) parts.push(block("Perhaps to be done", quotes(actions, speakers, seek), "Found by rules, such as “I will”: read before you rely on it."));
  return parts;
}

/** @param {Job} job @returns {string} */
function writing({ state, error }) {
  if (state === "queued") return error ? `The model is asked again soon. ${error}` : "The model is asked in a moment. This can take some minutes; you may leave this page.";
  if (state === "running") return "The model is writing. This can take some minutes; you may leave this page.";
  return state === "failed" ? `The model did not write a summary. ${error}` : "";
}

/**
 * What asks a model for a text, and says how far that is; only where the operator has named one.
 * @param {string} id of the recording
 * @param {() => void} done
 */
function asking(id, done) {
  const button = h("button", { type: "button", class: "btn", data: { testid: "write-summary" }, on: { click: () => void ask() } });
  const told = h("p", { class: "sub", role: "status", data: { testid: "summary-job" } });
  const element = h("div", { class: "summary-ask", hidden: true }, button, h("p", { class: "sub" }, "The transcript is sent to the language model that the operator of this server has named."), told);
  const learn = (/** @type {Job | undefined} */ job) => {
    if (job?.kind !== "summary" || job.subject !== id) return;
    say(told, writing(job));
    button.disabled = job.state === "queued" || job.state === "running";
  };
  async function ask() {
    button.disabled = true;
    try {
      learn(await writeSummary(id));
    } catch (error) {
      button.disabled = false;
      say(told, `The model was not asked. ${words(error)}`);
    }
  }
  const leave = store.events.subscribe("jobs", ({ type, data }) => {
    if (type !== "job_progress" && type !== "job_completed") return;
    learn(data);
    if (data?.kind === "summary" && data.subject === id && data.state === "done") done();
  });
  return {
    element,
    leave,
    /** @param {Summary} summary */
    show({ writable, text }) {
      const first = element.hidden;
      element.hidden = !writable;
      button.textContent = text ? "Have it written anew" : "Have a language model write one";
      // One that was asked for before the page was opened.
      if (first && writable) getJobs(id).then(({ items }) => learn(items.find(({ kind }) => kind === "summary")), () => undefined);
    },
  };
}

/** @param {string} id of the recording @param {boolean} own whether a model may be asked @param {(seconds: number) => void} seek */
export function summary(id, own, seek) {
  const state = h("p", { class: "sub", role: "status" });
  const body = h("div", { class: "summary-body" });
  const ask = own ? asking(id, () => element.open && void read()) : null;
  const element = h("details", { class: "more fold", hidden: true, data: { testid: "summary" } }, h("summary", null, "Summary"), state, body, ask?.element);
  async function read() {
    if (!body.childElementCount) say(state, "Reading…");
    try {
      const found = await getSummary(id);
      body.replaceChildren(...draw(found, seek));
      ask?.show(found);
      say(state, "");
    } catch (error) {
      say(state, `There is no summary. ${words(error)}`);
    }
  }
  element.addEventListener("toggle", () => element.open && void read());
  return { element, leave: () => ask?.leave() };
}
