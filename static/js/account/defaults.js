/** What one's streams begin with, on every device and from every program. */

import { h, say } from "../dom.js";
import { fill } from "../parts.js";
import { preferred, store } from "../store.js";
import { strengthName } from "../studio/strength.js";
import { publisher } from "../studio/publisher.js";
import { languageSelect } from "../studio/wording.js";
import { forgetWishes, MOST_VOCABULARY } from "../studio/wishes.js";
import { about, prefer, savedTick, switchLine } from "./pieces.js";

/** @param {import("../types.js").Preferences} change @param {() => void} done */
function keep(change, done) {
  // What was chosen in this browser's studio would go before it.
  publisher.forget();
  forgetWishes();
  return prefer(change, done);
}

/** @param {() => void} done */
function strengthLine(done) {
  const range = h("input", { id: "default-strength", type: "range", min: "0", max: "100", step: "5", data: { testid: "default-strength" } });
  const name = h("span", { class: "sub" });
  const show = () => {
    fill(range);
    const text = strengthName(Number(range.value) / 100);
    say(name, `${text}, ${range.value} %`);
    range.setAttribute("aria-valuetext", `${range.value} %, ${text.toLowerCase()}`);
  };
  range.value = String(Math.round(100 * (preferred().denoise_strength ?? store.config?.denoise_strength_default ?? 1)));
  range.addEventListener("input", show);
  range.addEventListener("change", () => void keep({ denoise_strength: Number(range.value) / 100 }, done));
  show();
  return h("div", { class: "line" }, h("label", { htmlFor: range.id }, "How much of it"), range, name);
}

/** @param {() => void} done */
function vocabularyLine(done) {
  const area = h("textarea", { id: "default-words", class: "field area", rows: 3, maxLength: MOST_VOCABULARY, dir: "auto", value: preferred().vocabulary ?? "", placeholder: "Mira Okafor, Klangfarbe, SDP", data: { testid: "default-words" } });
  area.addEventListener("change", () => void keep({ vocabulary: area.value.trim() }, done));
  return h("div", { class: "line" }, h("label", { htmlFor: area.id }, "Names and jargon"), area, h("p", { class: "hint" }, "What captions should expect, with commas between."));
}

export function defaultsSection() {
  const tick = savedTick();
  const done = () => tick.show();
  const language = languageSelect("default-language", preferred().language ?? "", (code) => void keep({ language: code || null }, done));
  const noise = switchLine("default-denoise", "Take the noise out", "You can change it while live.", () => preferred().denoise !== "bypassed", (on) => keep({ denoise: on ? "active" : "bypassed" }, done));
  const captions = switchLine("default-captions", "Captions", "Listeners read what is said, and by whom.", () => preferred().captions !== false, (on) => keep({ captions: on }, done));
  const recording = switchLine("default-recording", "Keep a recording", "Listeners see that it is recorded.", () => preferred().recording ?? store.config?.record_default ?? true, (on) => keep({ recording: on }, done));
  return h(
    "div",
    null,
    about("What your streams begin with, in every browser and from OBS."),
    noise.element,
    strengthLine(done),
    captions.element,
    h("div", { class: "line" }, h("label", { htmlFor: "default-language" }, "Language"), h("span", { class: "select" }, language)),
    vocabularyLine(done),
    recording.element,
    h("div", { class: "row gap after" }, h("a", { class: "txt", href: "/voices" }, "Voices that captions know"), tick.element),
  );
}
