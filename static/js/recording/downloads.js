/** What can be taken along of a recording, in one menu: its sound, one track per speaker, and what was said. */

import { words } from "../api.js";
import { h, icon } from "../dom.js";
import { count, size } from "../format.js";
import { menu } from "../menu.js";
import { recall, remember } from "../settings.js";
import { copy, toast } from "../toast.js";
import { audioUrl, tracksUrl, transcriptUrl } from "./api.js";
import { making } from "./making.js";
import { partChoice } from "./part.js";

/** @typedef {import("../types.js").Recording} Recording */
/** @typedef {import("../captions/transcript.js").Transcript} Transcript */
/** @typedef {() => Record<string, string>} Query */

/** Bytes a second, about, of what the server makes of 48 kHz mono. @type {[string, string, number][]} */
const SOUNDS = [["opus", "Opus", 0], ["mp3", "MP3", 16_000], ["m4a", "M4A", 16_000], ["flac", "FLAC", 45_000], ["wav", "WAV", 96_000]];
/** Format, its name, what it is for. @type {[string, string, string][]} */
const TEXTS = [["txt", "Text", "plain"], ["md", "Markdown", "notes"], ["docx", "Word", "to edit"], ["pdf", "PDF", "print"], ["srt", "SRT", "subtitles"], ["vtt", "VTT", "web"], ["csv", "CSV", "table"], ["json", "JSON", "all of it"]];
/** What of it, its name, whether it is there unless somebody says otherwise. @type {[string, string, boolean][]} */
const OPTIONS = [["speakers", "Speakers", true], ["times", "Times", true], ["confidence", "Confidence", false], ["translation", "Translation", false], ["chat", "Chat", false], ["summary", "Summary", false]];

/** @param {string} name @param {string} sub @param {string} testid */
function tile(name, sub, testid) {
  const about = h("span", null, sub);
  const link = h("a", { class: "btn tile", download: "", data: { testid } }, h("b", null, name), about);
  return { link, about };
}

/** @param {string} label @param {[string, string][]} choices value, name @param {string} testid @param {(value: string) => void} change */
function segments(label, choices, testid, change) {
  const buttons = choices.map(([value, name]) => h("button", { type: "button", "aria-pressed": "false", data: { testid: `${testid}-${value}`, value }, on: { click: () => change(value) } }, name));
  const element = h("div", { class: "segments wide", role: "group", "aria-label": label }, ...buttons);
  return { element, mark: (/** @type {string} */ value) => buttons.forEach((one) => one.setAttribute("aria-pressed", String(one.dataset["value"] === value))) };
}

/** @param {() => Recording} recording @param {Query} range @param {() => number} seconds that the range holds */
function ofSound(recording, range, seconds) {
  let version = "clean";
  const choice = segments("Which sound", [["clean", "Without noise"], ["raw", "Original"]], "sound", (value) => {
    version = value;
    show();
  });
  const tiles = SOUNDS.map(([format, name, rate]) => ({ format, rate, ...tile(name, "", format === "opus" ? "download" : `download-${format}`) }));
  const made = making();
  for (const { format, link } of tiles) if (format !== "opus") made.follow(link, () => format.toUpperCase());
  const element = h("section", { class: "menu-part", "aria-label": "Audio" }, h("b", null, "Audio"), choice.element, h("div", { class: "tiles" }, ...tiles.map(({ link }) => link)), made.line);
  function show() {
    const { id, raw_url: raw, size_bytes: bytes, duration_s: whole } = recording();
    choice.element.hidden = !raw;
    choice.mark(version);
    const own = whole > 0 ? bytes / whole / (raw ? 2 : 1) : 0;
    for (const { format, rate, link, about } of tiles) {
      link.href = audioUrl(id, { ...(version === "raw" ? { version } : {}), ...(format === "opus" ? {} : { format }), ...range(), download: "1" });
      about.textContent = format === "opus" && bytes === 0 ? "so far" : `${format === "opus" ? "" : "≈ "}${size(seconds() * (rate || own))}`;
    }
  }
  return { element, show };
}

/** @param {() => Recording} recording @param {Transcript} transcript @param {Query} range */
function ofSpeakers(recording, transcript, range) {
  const zips = ["opus", "flac", "wav"].map((format) => ({ format, ...tile(format === "opus" ? "Opus" : format.toUpperCase(), "", `tracks-${format}`) }));
  const single = h("div", { class: "chips" });
  const made = making();
  const about = h("p", { class: "sub" }, "Each as long as the recording, silent where that person does not speak. Where several speak at once, each track holds all of them.");
  const element = h("section", { class: "menu-part", "aria-label": "One track per speaker" }, h("b", null, "One track per speaker, in a zip"), h("div", { class: "tiles" }, ...zips.map(({ link }) => link)), single, made.line, about);
  function show() {
    const { id } = recording();
    const everybody = transcript.everybody;
    element.hidden = everybody.length === 0;
    for (const { format, link, about: sub } of zips) {
      link.href = tracksUrl(id, { format, ...range() });
      sub.textContent = count(everybody.length + 1, "file");
    }
    const one = (/** @type {string} */ label, /** @type {Node[]} */ name) => {
      const link = h("a", { class: "btn chip", download: "", href: audioUrl(id, { track: label, format: "flac", ...range(), download: "1" }), data: { testid: "track" } }, ...name);
      made.follow(link, () => "The track");
      return link;
    };
    single.replaceChildren(...everybody.map((who) => one(who.label, [h("span", { class: `mark s${who.hue}` }, h("i"), h("span", { dir: "auto" }, who.name))])), one("room", [h("span", null, "The room")]));
  }
  return { element, show };
}

/** What is in the file. @param {() => void} changed */
function optionBoxes(changed) {
  const wanted = new Map(OPTIONS.map(([name, , usual]) => [name, recall(`take-${name}`, usual)]));
  const boxes = OPTIONS.map(([name, label]) => {
    const box = h("input", { type: "checkbox", checked: wanted.get(name) ?? false, data: { testid: `with-${name}` } });
    box.addEventListener("change", () => {
      wanted.set(name, box.checked);
      remember(`take-${name}`, box.checked);
      changed();
    });
    return h("label", { class: "check" }, box, label);
  });
  // Without a wish for the translation one gets what there is; "false" would refuse a stream that was translated.
  const query = () => Object.fromEntries([...wanted].filter(([name, on]) => on || name !== "translation").map(([name, on]) => [name, String(on)]));
  return { element: h("div", { class: "checks" }, ...boxes), query };
}

/** @param {() => Recording} recording @param {Transcript} transcript @param {Query} range */
function ofTranscript(recording, transcript, range) {
  let account = "";
  const options = optionBoxes(() => show());
  const address = (/** @type {string} */ format) => transcriptUrl(recording().id, { format, ...(account ? { version: account } : {}), ...options.query(), ...range() });
  const choice = segments("Which captions", [["final", "After the final pass"], ["live", "As they were live"]], "take", (value) => {
    account = value;
    show();
  });
  const tiles = TEXTS.map(([format, name, sub]) => ({ format, ...tile(name, sub, `take-${format}`) }));
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
  const element = h("section", { class: "menu-part", "aria-label": "Transcript" }, h("b", null, "Transcript"), choice.element, h("div", { class: "tiles four" }, ...tiles.map(({ link }) => link)), options.element, whole);
  function show() {
    element.hidden = transcript.captions.size === 0;
    choice.element.hidden = !transcript.improved;
    account ||= transcript.version;
    choice.mark(account);
    for (const { format, link } of tiles) link.href = `${address(format)}&download=1`;
  }
  return { element, show };
}

/**
 * @param {() => Recording} recording
 * @param {Transcript} transcript
 */
export function downloads(recording, transcript) {
  const part = partChoice(recording, () => show());
  const range = () => part.query();
  const parts = [ofSound(recording, range, () => part.seconds()), ofSpeakers(recording, transcript, range), ofTranscript(recording, transcript, range)];
  const opener = h("button", { type: "button", class: "btn p-icon", "aria-label": "Download", data: { testid: "downloads" } }, icon("download", 20), h("span", { class: "desk" }, "Download"));
  const shut = h("button", { type: "button", class: "btn quiet icon phone-close", "aria-label": "Close", on: { click: () => card.close() } }, icon("close", 20));
  const head = h("header", { class: "sheet-head" }, h("h2", null, "Download"), shut);
  const card = menu(opener, "Download", head, part.element, ...parts.map(({ element }) => element));
  card.element.classList.add("downloads");
  function show() {
    for (const one of parts) one.show();
  }
  opener.addEventListener("click", () => {
    part.show();
    show();
  });
  show();
  return { element: card.element, show: () => !card.card.hidden && show() };
}

