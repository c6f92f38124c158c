/** The voices that the server knows: what they are called, and how to make it forget them. */

import { words } from "../api.js";
import { deleteVoice, getVoices, renameVoice } from "../captions/voices.js";
import { h, icon } from "../dom.js";
import { exact, relative } from "../format.js";
import { empty } from "../parts.js";
import { toast } from "../toast.js";

/** @typedef {import("../captions/voices.js").Voice} Voice */

/** How long a deletion waits for a change of mind; then it is for good. */
const UNDO_MS = 8000;

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

/** @param {Voice} voice @param {() => void} again */
function row(voice, again) {
  const name = h("b", { dir: "auto" }, voice.name);
  const rename = h("button", { type: "button", class: "btn icon quiet", "aria-label": `Rename ${voice.name}`, data: { testid: "voice-rename" } }, icon("pencil", 20));
  const del = h("button", { type: "button", class: "btn icon quiet", "aria-label": `Delete the voice of ${voice.name}`, data: { testid: "voice-delete" } }, icon("trash", 20));
  const since = voice.created_at ? h("span", { class: "sub" }, "remembered ", h("time", { dateTime: voice.created_at, title: exact(voice.created_at) }, relative(voice.created_at))) : null;
  const element = h("li", { data: { testid: "voice" } }, icon("voice"), h("div", { class: "txts" }, name, since), rename, del);
  del.addEventListener("click", () => remove(voice, again));
  rename.addEventListener("click", () => {
    const field = h("input", { class: "edit small", value: voice.name, maxLength: 80, dir: "auto", "aria-label": `Name of ${voice.name}`, data: { testid: "voice-field" } });
    let over = false;
    const close = async (/** @type {boolean} */ keep) => {
      if (over) return;
      over = true;
      const typed = field.value.trim();
      field.replaceWith(name);
      if (!keep || !typed || typed === voice.name) return;
      try {
        voice.name = (await renameVoice(voice.id, typed)).name;
        name.textContent = voice.name;
      } catch (error) {
        toast(`The name was not saved. ${words(error)}`);
      }
    };
    field.addEventListener("blur", () => void close(true));
    field.addEventListener("keydown", (event) => {
      if (event.isComposing || (event.key !== "Enter" && event.key !== "Escape")) return;
      event.preventDefault();
      void close(event.key === "Enter");
      rename.focus();
    });
    name.replaceWith(field);
    field.select();
  });
  return element;
}

/** @returns {Promise<import("../types.js").View>} */
export async function voicesView() {
  const place = h("div");
  const lead = h("p", { class: "sub" }, "Who was named and remembered in one stream is named in the next. Voices stay on this server; delete one, and nothing is left of it.");
  /** @type {Voice[]} */
  let voices = [];
  const show = () => {
    const shown = voices.filter((voice) => !leaving.has(voice.id));
    const none = empty("No voice is known yet", "While you are live with captions, press a speaker’s name, say who it is, and let the voice be remembered. Ask them first.", h("a", { class: "btn first", href: "/" }, icon("mic", 20), "Go to the studio"));
    place.replaceChildren(shown.length > 0 ? h("ul", { class: "list" }, ...shown.map((voice) => row(voice, again))) : none);
  };
  const again = () => {
    getVoices().then(
      ({ items }) => {
        voices = items;
        show();
      },
      () => show(),
    );
    show();
  };
  try {
    voices = (await getVoices()).items;
    show();
  } catch (error) {
    place.replaceChildren(h("p", { class: "lead", role: "status" }, words(error)));
  }
  return { element: h("div", { class: "col" }, h("h1", null, "Voices"), lead, place), title: "Voices" };
}
