/** What can be taken along of a recording, in one menu: its sound, and what was said as a file of one's choice. */

import { part, words } from "../api.js";
import { h, icon } from "../dom.js";
import { size } from "../format.js";
import { menu } from "../menu.js";
import { copy, toast } from "../toast.js";

/** @typedef {import("../types.js").Recording} Recording */
/** @typedef {import("./transcript.js").Transcript} Transcript */

/** Format, its name, what it is for. */
const FORMATS = [
  ["txt", "Text", "plain"],
  ["srt", "SRT", "subtitles"],
  ["vtt", "VTT", "web"],
  ["csv", "CSV", "table"],
  ["json", "JSON", "times"],
];

/** @param {string} href @param {string} name @param {string} sub @param {string} testid */
function tile(href, name, sub, testid) {
  return h("a", { class: "btn tile", href, download: "", data: { testid } }, h("b", null, name), h("span", null, sub));
}

/** @param {Transcript} transcript */
function ofTranscript(transcript) {
  let version = "";
  const address = (/** @type {string} */ format) => `/api/v1/streams/${part(transcript.stream)}/transcript?format=${format}${version ? `&version=${version}` : ""}`;
  const choose = (/** @type {string} */ wanted, /** @type {string} */ label) => {
    const press = () => {
      version = wanted;
      show();
    };
    return h("button", { type: "button", "aria-pressed": "false", data: { testid: `take-${wanted}` }, on: { click: press } }, label);
  };
  const buttons = [choose("final", "After the final pass"), choose("live", "As they were live")];
  const choice = h("div", { class: "segments wide", role: "group", "aria-label": "Which captions" }, ...buttons);
  const tiles = h("div", { class: "tiles" });
  const whole = h("button", { type: "button", class: "btn wide", data: { testid: "copy-transcript" } }, "Copy the text");
  whole.addEventListener("click", async () => {
    try {
      const response = await fetch(address("txt"));
      if (!response.ok) throw new Error("the server did not give it");
      await copy(await response.text(), "The transcript is on the clipboard.");
    } catch (error) {
      toast(`The transcript was not copied. ${words(error)}`);
    }
  });
  const element = h("section", { class: "menu-part", "aria-label": "Transcript" }, h("b", null, "Transcript"), choice, tiles, whole);
  function show() {
    element.hidden = transcript.captions.size === 0;
    choice.hidden = !transcript.improved;
    version ||= transcript.version;
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset["testid"] === `take-${version}`));
    tiles.replaceChildren(...FORMATS.map(([format = "", name = "", sub = ""]) => tile(`${address(format)}&download=1`, name, sub, `take-${format}`)));
  }
  transcript.watch(() => {
    version = transcript.version;
    show();
  });
  return element;
}

/**
 * @param {Recording} recording
 * @param {Transcript} transcript
 */
export function downloads(recording, transcript) {
  const raw = recording.raw_url && `${recording.raw_url}&download=1`;
  const sound = [tile(recording.download_url, "Opus", recording.size_bytes > 0 ? size(recording.size_bytes) : "so far", "download"), raw ? tile(raw, "Opus", "with the noise", "download-raw") : null];
  const audio = h("section", { class: "menu-part", "aria-label": "Audio" }, h("b", null, "Audio"), h("div", { class: "tiles" }, ...sound));
  const opener = h("button", { type: "button", class: "btn p-icon", "aria-label": "Download", data: { testid: "downloads" } }, icon("download", 20), h("span", { class: "desk" }, "Download"));
  const card = menu(opener, "Download", audio, ofTranscript(transcript));
  card.element.classList.add("downloads");
  return card.element;
}
