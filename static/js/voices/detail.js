/** One voice, unfolded: what it is called, where it was met, how good it is, and what can be done with it. */

import { words } from "../api.js";
import { changeVoice, getVoice, mergeVoice } from "../captions/voices.js";
import { h, icon } from "../dom.js";
import { clock, count, exact, relative } from "../format.js";
import { toggle } from "../parts.js";
import { field, form } from "../people/fields.js";
import { toast } from "../toast.js";

/** @typedef {import("../captions/voices.js").Voice} Voice */
/** @typedef {import("../captions/voices.js").Detail} Detail */
/** @typedef {{ others: () => Voice[], changed: (voice: Voice) => void, reload: () => void, remove: (voice: Voice) => void }} Hands */

/** Cosine distances between samples of one person; those of two are mostly beyond 0.5. */
const ALIKE = 0.25;
const APART = 0.5;
const SHOWN = 5;

/** @param {Detail} voice @returns {string} */
export function qualityWords({ samples, seconds, spread }) {
  if (samples < 2) return seconds < 10 ? "one short sample: it gets surer with each that is remembered" : "one sample";
  if (spread < ALIKE) return "its samples are alike";
  return spread < APART ? "its samples differ a little" : "its samples differ much: perhaps two people";
}

/** @param {Detail} voice */
function statistics(voice) {
  const pairs = [
    ["Talks", voice.talk_s > 0 ? clock(voice.talk_s) : "not met yet"],
    ["In", count(voice.recordings.length, "recording")],
    ["Made from", `${count(voice.samples, "sample")}, ${clock(voice.seconds)}`],
    ["Quality", qualityWords(voice)],
  ].map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value)));
  const items = voice.recordings.slice(0, SHOWN).map(({ recording_id: id, title, created_at: at, seconds }) => h("li", null, h("a", { class: "txt", href: `/recordings/${encodeURIComponent(id)}`, dir: "auto" }, title), h("span", { class: "sub" }, " · ", h("time", { dateTime: at, title: exact(at) }, relative(at)), ` · ${clock(seconds)}`)));
  const rest = voice.recordings.length - SHOWN;
  return h("div", { data: { testid: "voice-statistics" } }, h("dl", { class: "up-facts" }, pairs), items.length > 0 ? h("ul", { class: "met" }, items, rest > 0 ? h("li", { class: "sub" }, `and ${rest} more`) : null) : null);
}

/** @param {Voice} voice @param {"active" | "verified"} key @param {string} name @param {string} about @param {Hands} hands */
function choice(voice, key, name, about, hands) {
  const id = `voice-${key}-${voice.id}`;
  const control = toggle(`voice-${key}`, id, async (on) => {
    control.set(on);
    try {
      Object.assign(voice, await changeVoice(voice.id, { [key]: on }));
      hands.changed(voice);
    } catch (error) {
      control.set(voice[key]);
      toast(`That was not saved. ${words(error)}`);
    }
  });
  control.set(voice[key]);
  return h("div", { class: "switch-line" }, h("div", { class: "txts" }, h("b", { id }, name), h("span", { class: "sub" }, about)), control.element);
}

/** @param {Voice} voice @param {Hands} hands */
function naming(voice, hands) {
  const name = field({ name: "name", label: "Name", value: voice.name, missing: "Type a name.", most: 80 });
  const description = field({ name: "description", label: "Description", value: voice.description, most: 1000, lines: 2 });
  return form({
    testid: "voice-form",
    fields: [name, description],
    submit: "Save",
    quiet: true,
    async send() {
      Object.assign(voice, await changeVoice(voice.id, { name: name.value, description: description.value }));
      hands.changed(voice);
      return "Saved";
    },
  }).element;
}

/** @param {Voice} voice @param {Hands} hands */
function merging(voice, hands) {
  const others = hands.others().filter(({ id }) => id !== voice.id);
  if (others.length === 0) return null;
  const select = h("select", { "aria-label": `Who ${voice.name} is, too`, data: { testid: "voice-into" } }, h("option", { value: "" }, "the voice of…"), others.map(({ id, name }) => h("option", { value: id }, name)));
  const button = h("button", { type: "button", class: "btn", disabled: true, data: { testid: "voice-merge" } }, "Merge");
  select.addEventListener("change", () => (button.disabled = !select.value));
  button.addEventListener("click", async () => {
    try {
      const stays = await mergeVoice(voice.id, select.value);
      toast(`${voice.name} and ${stays.name} are one voice now, called ${stays.name}.`);
      hands.reload();
    } catch (error) {
      toast(`They were not merged. ${words(error)}`);
    }
  });
  return h("div", { class: "line" }, h("span", { class: "small-label" }, "The same person as"), h("div", { class: "row gap" }, h("span", { class: "select" }, select), button), h("p", { class: "hint" }, "This voice goes; the other one knows what it knew. That cannot be taken back."));
}

/** @param {Voice} voice @param {Hands} hands */
export function detail(voice, hands) {
  const facts = h("div", null, h("p", { class: "sub", role: "status" }, "Loading…"));
  getVoice(voice.id).then(
    (known) => facts.replaceChildren(statistics(known)),
    (error) => facts.replaceChildren(h("p", { class: "sub" }, words(error))),
  );
  const gone = h("button", { type: "button", class: "btn", data: { testid: "voice-delete" }, on: { click: () => hands.remove(voice) } }, icon("trash", 20), h("span", null, `Delete the voice of ${voice.name}`));
  return h("div", { class: "up-panel" }, facts, naming(voice, hands), choice(voice, "active", "Used", "Speakers are compared with it.", hands), choice(voice, "verified", "Verified", "You have listened, and it is who it is called.", hands), merging(voice, hands), h("div", { class: "row after" }, gone));
}
