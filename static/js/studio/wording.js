/** Before one goes live: whether there are captions, in which language, how many people talk, and names to expect. */

import { h, say, tell } from "../dom.js";
import { toggle } from "../parts.js";
import { store } from "../store.js";
import { keepWishes, MOST_VOCABULARY, recallWishes } from "./wishes.js";

/** @typedef {import("./publisher.js").Publisher} Publisher */

/** As Whisper knows them, the ones with most speakers. */
const LANGUAGES = "ar bg bn ca cs da de el en es et fa fi fr he hi hr hu id is it ja ko lt lv ms nl no pl pt ro ru sk sl sr sv sw ta te th tl tr uk ur vi zh".split(" ");
const MOST_SPEAKERS = 8;

/** @param {string} code @returns {string} */
export function languageName(code) {
  try {
    return new Intl.DisplayNames(["en"], { type: "language" }).of(code) ?? code;
  } catch {
    return code;
  }
}

/** @param {string} id @param {string} language a code; empty: whatever is heard @param {(language: string) => void} change */
export function languageSelect(id, language, change) {
  const all = LANGUAGES.map((code) => ({ code, name: languageName(code) })).sort((a, b) => a.name.localeCompare(b.name));
  const options = all.map(({ code, name }) => h("option", { value: code, selected: code === language }, name));
  const select = h("select", { id, data: { testid: id } }, h("option", { value: "" }, "Detected"), ...options);
  select.addEventListener("change", () => change(select.value));
  return select;
}

function languageChoice() {
  const select = languageSelect("caption-language", recallWishes().language, (language) => keepWishes({ language }));
  return h("div", null, h("label", { class: "small-label", htmlFor: "caption-language" }, "Language"), h("span", { class: "select" }, select));
}

/** English, whatever is spoken: only some models can. */
function translation() {
  const control = toggle("caption-translate", "caption-translate-name", (translate) => {
    keepWishes({ translate });
    show();
  });
  const why = h("p", { class: "sub", data: { testid: "caption-translate-words" } });
  const element = h("div", { class: "into" }, h("p", { class: "row" }, h("span", { id: "caption-translate-name" }, "Write in English"), control.element), why);
  function show() {
    const captions = store.config?.captions;
    const able = Boolean(captions?.translates);
    control.set(able && recallWishes().translate, able);
    if (able) say(why, recallWishes().translate ? "Translated from whatever is spoken." : "");
    else say(why, captions?.recogniser ? "This server’s Whisper model does not translate. The operator can choose a larger one that knows many languages." : "");
  }
  return { element, show };
}

function speakersChoice() {
  const { speakers } = recallWishes();
  const numbers = Array.from({ length: MOST_SPEAKERS }, (_, at) => at + 1);
  const options = numbers.map((n) => h("option", { value: String(n), selected: n === speakers }, n === 1 ? "Just me" : `${n} people`));
  const select = h("select", { id: "caption-speakers", data: { testid: "caption-speakers" } }, h("option", { value: "0" }, "Anybody"), ...options);
  select.addEventListener("change", () => keepWishes({ speakers: Number(select.value) }));
  return h("div", null, h("label", { class: "small-label", htmlFor: "caption-speakers" }, "Who talks"), h("span", { class: "select" }, select));
}

function vocabularyField() {
  const field = h("input", { id: "caption-words", class: "field", value: recallWishes().vocabulary, maxLength: MOST_VOCABULARY, placeholder: "Mira Okafor, Klangfarbe, SDP", autocomplete: "off", dir: "auto", data: { testid: "caption-words" } });
  field.addEventListener("input", () => keepWishes({ vocabulary: field.value }));
  return h("div", null, h("label", { class: "small-label", htmlFor: "caption-words" }, "Names and jargon"), field);
}

/** @param {Publisher} publisher */
export function captionChoices(publisher) {
  const control = toggle("captions-on", "captions-on-name", (on) => {
    keepWishes({ on });
    show();
  });
  const text = h("p", { class: "sub", data: { testid: "captions-words" } });
  const english = translation();
  const language = languageChoice();
  language.append(english.element);
  const choices = [language, speakersChoice(), vocabularyField()];
  const voices = h("a", { class: "txt", href: "/voices", data: { testid: "to-voices" } }, "Voices it knows");
  const first = h("div", null, h("h2", null, h("span", { id: "captions-on-name" }, "Captions"), control.element), text, voices);
  const element = h("section", { class: "card wording before-air", "aria-label": "Captions" }, first, ...choices);

  function show() {
    const captions = store.config?.captions;
    element.hidden = !captions || publisher.onAir;
    if (!captions) return;
    const able = captions.state !== "off";
    const on = able && recallWishes().on;
    control.set(on, able);
    for (const choice of choices) choice.hidden = !on;
    english.show();
    voices.hidden = !on || !captions.diarizer;
    element.classList.toggle("shut", !on);
    if (!able) tell(text, captions.detail || "Off on this server. The operator can switch them on in the settings.");
    else if (!on) say(text, "Nobody reads what you say.");
    else if (captions.state === "starting") say(text, "Captions are starting.");
    else tell(text, captions.detail || "Listeners read what is said, and by whom.");
  }
  return { element, show };
}
