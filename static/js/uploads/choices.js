/** What is to be done with a file: language, people, which of the stages, who may hear it, and when it begins. */

import { h } from "../dom.js";
import { toggle } from "../parts.js";
import { ACCESS_WORDS } from "../people/accesswords.js";
import { recall, remember } from "../settings.js";
import { preferred, store } from "../store.js";
import { languageName, languageSelect } from "../studio/wording.js";
import { MOST_VOCABULARY } from "../studio/wishes.js";

/** @typedef {import("./api.js").Options} Options */

const KEY = "uploads.options";
const MOST_SPEAKERS = 12;
/** Those that need no further choice; the recording's page has them all. @type {import("../types.js").Access[]} */
const ACCESS = ["friends", "link", "public", "private"];

let made = 0;

/** @returns {Options} what new files begin with, as last chosen here */
export function usual() {
  const { language, vocabulary, captions } = preferred();
  /** @type {Options} */
  const first = { language: language ?? null, speakers: null, denoise: true, diarize: true, captions: captions ?? true, translate: false, vocabulary: vocabulary ?? "", access: null, start: "at-once" };
  return { ...first, ...recall(KEY, {}) };
}

/** @param {Options} options */
export function keepUsual({ title: _title, ...options }) {
  remember(KEY, options);
}

/** @param {Options} options @returns {string} on one line */
export function summary({ language, speakers, denoise, diarize, captions, translate, access }) {
  const parts = [
    denoise ? "noise out" : "noise left in",
    captions ? `captions${language ? ` in ${languageName(language)}` : ""}${translate ? ", in English" : ""}` : "no captions",
    diarize ? (speakers ? `${speakers === 1 ? "one person" : `${speakers} people`}` : "speakers told apart") : "speakers not told apart",
  ];
  if (store.social) parts.push(access ? ACCESS_WORDS[/** @type {import("../types.js").Access} */ (access)].name.toLowerCase() : "heard by whom you usually let");
  return parts.join(" · ");
}

/** @param {string} label @param {HTMLElement & { id: string }} control @param {string} [hint] */
function line(label, control, hint = "") {
  const place = control instanceof HTMLSelectElement ? h("span", { class: "select" }, control) : control;
  return h("div", { class: "line" }, h("label", { htmlFor: control.id }, label), place, hint ? h("p", { class: "hint" }, hint) : null);
}

/** @param {string} id @param {[string, string][]} options value and name @param {string} now @param {(value: string) => void} change */
function select(id, options, now, change) {
  const element = h("select", { id, data: { testid: id.replace(/-\d+$/, "") } }, options.map(([value, name]) => h("option", { value, selected: value === now }, name)));
  element.addEventListener("change", () => change(element.value));
  return element;
}

/** @param {string} id @param {string} name @param {string} about @param {boolean} now @param {boolean} able @param {(on: boolean) => void} change */
function switchLine(id, name, about, now, able, change) {
  const control = toggle(id.replace(/-\d+$/, ""), `${id}-name`, (on) => {
    control.set(on);
    change(on);
  });
  control.set(now && able, able);
  return h("div", { class: "switch-line" }, h("div", { class: "txts" }, h("b", { id: `${id}-name` }, name), h("span", { class: "sub" }, about)), control.element);
}

/**
 * @param {Options} options
 * @param {(options: Options) => void} change told everything after each choice
 * @param {{ titled?: boolean, when?: boolean }} [which] whether it is for one file, which has a name; whether it says when to begin
 * @returns {HTMLElement}
 */
export function choices(options, change, { titled = false, when = true } = {}) {
  const at = ++made;
  let now = { ...options };
  /** @param {Partial<Options>} next */
  const set = (next) => {
    now = { ...now, ...next };
    change(now);
    show();
  };
  const captions = store.config?.captions;
  const able = captions?.state !== "off";
  const language = languageSelect(`upload-language-${at}`, now.language ?? "", (code) => set({ language: code || null }));
  language.dataset["testid"] = "upload-language";
  const numbers = Array.from({ length: MOST_SPEAKERS }, (_, index) => /** @type {[string, string]} */ ([String(index + 1), index === 0 ? "One person" : `${index + 1} people`]));
  const speakers = select(`upload-speakers-${at}`, [["", "Found out"], ...numbers], String(now.speakers ?? ""), (value) => set({ speakers: value ? Number(value) : null }));
  const vocabulary = h("input", { id: `upload-words-${at}`, class: "field", value: now.vocabulary, maxLength: MOST_VOCABULARY, placeholder: "Mira Okafor, Klangfarbe, SDP", autocomplete: "off", dir: "auto" });
  vocabulary.addEventListener("change", () => set({ vocabulary: vocabulary.value.trim() }));
  const title = h("input", { id: `upload-title-${at}`, class: "field", value: now.title ?? "", maxLength: store.config?.max_title ?? 200, autocomplete: "off", dir: "auto", data: { testid: "upload-title" } });
  title.addEventListener("change", () => set({ title: title.value.trim() || null }));
  const noise = switchLine(`upload-denoise-${at}`, "Take the noise out", "What was recorded is kept beside it.", now.denoise, true, (on) => set({ denoise: on }));
  const writing = switchLine(`upload-captions-${at}`, "Captions", able ? "What is said is written down." : "Off on this server.", now.captions, able, (on) => set({ captions: on }));
  const who = switchLine(`upload-diarize-${at}`, "Tell speakers apart", "Who said what.", now.diarize, able, (on) => set({ diarize: on }));
  const english = switchLine(`upload-translate-${at}`, "Write in English", captions?.translates ? "Translated from whatever is spoken." : "This server’s Whisper model does not translate.", now.translate, Boolean(captions?.translates), (on) => set({ translate: on }));
  const access = select(`upload-access-${at}`, [["", "As usual for you"], ...ACCESS.map((one) => /** @type {[string, string]} */ ([one, ACCESS_WORDS[one].name]))], now.access ?? "", (value) => set({ access: value || null }));
  const inLanguage = line("Language", language);
  const talking = line("Who talks", speakers);
  const jargon = line("Names and jargon", vocabulary);
  const grid = h("div", { class: "choice-grid" }, titled ? line("Name of the recording", title) : null, inLanguage, talking, jargon, store.social ? line("Who may hear", access) : null);
  const start = when ? startChoice(`upload-start-${at}`, now.start, (next) => set({ start: next })) : null;
  function show() {
    inLanguage.hidden = jargon.hidden = english.hidden = !able || !now.captions;
    talking.hidden = !able || !now.diarize;
  }
  show();
  return h("div", { class: "choices" }, start, grid, h("div", { class: "choice-switches" }, noise, writing, who, english));
}

/** @param {string} name @param {Options["start"]} now @param {(start: Options["start"]) => void} change */
function startChoice(name, now, change) {
  /** @type {[Options["start"], string][]} */
  const both = [["at-once", "At once"], ["after-check", "After a look at it"]];
  const labels = both.map(([value, text]) => {
    const input = h("input", { type: "radio", name, value, checked: value === now, data: { testid: `start-${value}` } });
    input.addEventListener("change", () => change(value));
    return h("label", null, input, h("span", null, text));
  });
  return h("div", { class: "line start-line" }, h("span", { class: "small-label", id: `${name}-name` }, "Begin"), h("div", { class: "seg", role: "radiogroup", "aria-labelledby": `${name}-name` }, labels));
}
