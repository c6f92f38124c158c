/** The voices that the server knows: who they are, how well it knows them, and how to make it forget them. */

import { words } from "../api.js";
import { deleteVoice, getVoices } from "../captions/voices.js";
import { h, icon, say } from "../dom.js";
import { clock, count, exact, relative } from "../format.js";
import { libraryHead } from "../library/places.js";
import { empty } from "../parts.js";
import { toast } from "../toast.js";
import { detail } from "../voices/detail.js";
import { newVoice } from "../voices/sample.js";

/** @typedef {import("../captions/voices.js").Voice} Voice */
/** @typedef {import("../voices/detail.js").Hands} Hands */

/** How long a deletion waits for a change of mind; then it is for good. */
const UNDO_MS = 8000;
const TYPING_MS = 250;

/** Deletions that wait. @type {Map<string, { timer: number, go: () => void }>} */
const leaving = new Map();
window.addEventListener("pagehide", () => {
  for (const { go } of leaving.values()) go();
});

/** @param {Voice} voice @param {() => void} again */
function remove(voice, again) {
  const go = () => {
    clearTimeout(leaving.get(voice.id)?.timer);
    leaving.delete(voice.id);
    deleteVoice(voice.id).catch((error) => {
      toast(`The voice of ${voice.name} was not deleted. ${words(error)}`);
      again();
    });
  };
  leaving.set(voice.id, { timer: window.setTimeout(go, UNDO_MS), go });
  again();
  const undo = () => {
    const waiting = leaving.get(voice.id);
    if (!waiting) return;
    clearTimeout(waiting.timer);
    leaving.delete(voice.id);
    again();
  };
  toast(`The voice of ${voice.name} is deleted for good in a few seconds.`, { label: "Undo", act: undo }, UNDO_MS - 500);
}

/** @param {Voice} voice @param {Hands} hands @returns {HTMLElement} */
function row(voice, hands) {
  const name = h("b", { dir: "auto" });
  const tick = h("span", { class: "verified", title: "Verified" }, icon("tick", 18), h("span", { class: "aloud" }, "verified"));
  const sub = h("span", { class: "sub", dir: "auto" });
  const opener = h("button", { type: "button", class: "btn icon quiet", "aria-expanded": "false", data: { testid: "voice-open" } }, icon("more", 22));
  const place = h("div", { class: "voice-place" });
  const element = h("li", { class: "voice", data: { testid: "voice", key: voice.id } }, h("div", { class: "up-line" }, icon("voice"), h("div", { class: "txts" }, h("span", { class: "voice-name" }, name, tick), sub), opener), place);
  const show = () => {
    say(name, voice.name);
    tick.hidden = !voice.verified;
    const since = voice.created_at ? h("time", { dateTime: voice.created_at, title: exact(voice.created_at) }, `remembered ${relative(voice.created_at)}`) : "";
    const facts = [voice.active ? "" : "not used", voice.description, `${count(voice.samples, "sample")}, ${clock(voice.seconds)}`, since].filter(Boolean);
    sub.replaceChildren(...facts.flatMap((fact, at) => (at ? [" · ", fact] : [fact])));
    element.classList.toggle("unused", !voice.active);
    opener.setAttribute("aria-label", `More about ${voice.name}`);
  };
  /** @param {boolean} open */
  const set = (open) => {
    opener.setAttribute("aria-expanded", String(open));
    opener.classList.toggle("pressed", open);
    place.replaceChildren(...(open ? [detail(voice, { ...hands, changed: show })] : []));
  };
  opener.addEventListener("click", () => set(opener.getAttribute("aria-expanded") !== "true"));
  show();
  return element;
}

function none() {
  return empty("No voice is known yet", "While you are live with captions, press a speaker’s name, say who it is, and let the voice be remembered; or add one from a sample below. Ask them first.", h("a", { class: "btn first", href: "/" }, icon("mic", 20), "Go to the studio"));
}

/** @returns {import("../types.js").View} */
export function voicesView() {
  const place = h("div");
  const status = h("p", { class: "sub", role: "status" }, "Loading…");
  const search = h("input", { type: "search", class: "field", placeholder: "Search names and descriptions", "aria-label": "Search names and descriptions", autocomplete: "off", dir: "auto", data: { testid: "voice-search" } });
  const find = h("span", { class: "with-icon find" }, icon("search", 20), search);
  const more = h("button", { type: "button", class: "btn more-rows", hidden: true, data: { testid: "more" } }, "Show more");
  const lead = h("p", { class: "sub about" }, "Who was named and remembered in one stream is named in the next. Voices stay on this server; delete one, and nothing is left of it.");
  /** @type {Voice[]} */
  let voices = [];
  /** @type {string | null} */
  let next = null;
  let [turn, typing] = [0, 0];
  /** @type {Hands} */
  const hands = { others: () => voices, changed: () => undefined, reload: () => void load(), remove: (voice) => remove(voice, show) };

  function show() {
    const shown = voices.filter((voice) => !leaving.has(voice.id));
    const wanted = search.value.trim();
    find.hidden = voices.length === 0 && !wanted;
    more.hidden = next === null;
    const nothing = wanted ? empty("No voice of that name", "Neither a name nor a description fits.") : none();
    place.replaceChildren(shown.length > 0 ? h("ul", { class: "list" }, shown.map((voice) => row(voice, hands))) : nothing);
  }
  /** @param {string} [cursor] */
  async function load(cursor = "") {
    const mine = ++turn;
    try {
      const page = await getVoices(search.value.trim(), cursor);
      if (mine !== turn) return;
      voices = cursor ? [...voices, ...page.items] : page.items;
      next = page.next;
      say(status, "");
      show();
    } catch (error) {
      if (mine === turn) say(status, words(error));
    }
  }
  search.addEventListener("input", () => {
    clearTimeout(typing);
    typing = window.setTimeout(() => void load(), TYPING_MS);
  });
  more.addEventListener("click", () => void load(next ?? ""));
  void load();
  const fresh = newVoice(() => void load());
  return {
    element: h("div", { class: "col library" }, libraryHead("/voices", "Voices"), lead, find, status, place, more, fresh.element),
    title: "Voices",
    leave() {
      turn += 1;
      clearTimeout(typing);
      fresh.leave();
    },
  };
}
