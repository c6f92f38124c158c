/** Finds words in a transcript: counts where they are, marks them, goes from one to the next. */

import { h, icon, say } from "../dom.js";

/** @typedef {import("../types.js").Caption} Caption */

/** As it is compared: without case and without marks on letters. @param {string} text */
const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().replace(/\s+/g, " ").trim();
/** Of thousands, each is made comparable once. @type {WeakMap<Caption, string>} */
const known = new WeakMap();
/** @param {Caption} caption */
function comparable(caption) {
  const text = known.get(caption) ?? plain(caption.text);
  known.set(caption, text);
  return text;
}

/**
 * @typedef {object} Searched
 * @property {() => Caption[]} all in order
 * @property {() => Caption[]} present those that have elements
 * @property {(id: number) => HTMLElement | null} element
 * @property {(caption: Caption) => void} reach brings it into view
 * @property {() => boolean} whole whether all are known yet
 */

function elements() {
  const field = h("input", { type: "search", class: "field", placeholder: "Search in the transcript", "aria-label": "Search in the transcript", autocomplete: "off", dir: "auto", data: { testid: "search" } });
  const told = h("span", { class: "sub tn", role: "status", data: { testid: "search-found" } });
  const button = (/** @type {string} */ label, /** @type {string} */ look) => h("button", { type: "button", class: `btn icon ${look}`, "aria-label": label, title: label }, icon("down", 20));
  const [before, after] = [button("The one before", "up"), button("The next one", "")];
  const row = h("div", { class: "tr-search", role: "search", hidden: true }, field, told, before, after);
  const opener = h("button", { type: "button", class: "btn icon quiet", "aria-label": "Search", title: "Search", "aria-expanded": "false", data: { testid: "open-search" } }, icon("search", 20));
  return { field, told, before, after, row, opener };
}

/** @param {Searched} searched */
export function search(searched) {
  /** @type {Caption[]} */
  let found = [];
  let at = 0;
  // What has been brought into view stays there, whatever pages come later.
  let [asked, reached] = ["", ""];
  /** @type {Set<HTMLElement>} */
  const marked = new Set();
  const parts = elements();
  const { opener, row, field, told, before, after } = parts;

  /** @param {boolean} open */
  function set(open) {
    row.hidden = !open;
    opener.setAttribute("aria-expanded", String(open));
    if (open) field.focus();
    else {
      field.value = "";
      look();
    }
  }
  /** What of it is on the page. */
  function shown() {
    for (const element of marked) element.classList.remove("match", "here");
    marked.clear();
    if (!asked) return;
    for (const caption of searched.present()) {
      const element = comparable(caption).includes(asked) ? searched.element(caption.id) : null;
      if (!element) continue;
      element.classList.add("match");
      element.classList.toggle("here", caption.id === found[at]?.id);
      marked.add(element);
    }
  }
  function mark() {
    shown();
    const more = searched.whole() ? "" : ", still loading";
    say(told, found.length > 0 ? `${at + 1} of ${found.length}${more}` : asked ? (more ? "Loading…" : "Not found") : "");
    before.disabled = after.disabled = found.length < 2;
  }
  /** What is looked for, or looked through, has changed. */
  function look() {
    const was = found[at]?.id;
    asked = plain(field.value);
    found = asked ? searched.all().filter((caption) => comparable(caption).includes(asked)) : [];
    at = Math.max(0, found.findIndex(({ id }) => id === was));
    if (reached !== asked && found[0]) searched.reach(found[0]);
    if (found[0]) reached = asked;
    mark();
  }
  /** @param {number} by */
  function go(by) {
    if (found.length === 0) return;
    at = (at + by + found.length) % found.length;
    const here = found[at];
    if (here) searched.reach(here);
    mark();
  }
  listen(parts, look, go, set);
  /** @param {string} text */
  function find(text) {
    set(true);
    field.value = text;
    look();
  }
  return { opener, row, shown, find, again: () => { if (asked) look(); } };
}

/** @param {ReturnType<typeof elements>} parts @param {() => void} look @param {(by: number) => void} go @param {(open: boolean) => void} set */
function listen({ opener, row, field, before, after }, look, go, set) {
  field.addEventListener("input", look);
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.isComposing) go(event.shiftKey ? -1 : 1);
    else if (event.key === "Escape") {
      event.stopPropagation();
      set(false);
      opener.focus();
    } else return;
    event.preventDefault();
  });
  opener.addEventListener("click", () => set(Boolean(row.hidden)));
  before.addEventListener("click", () => go(-1));
  after.addEventListener("click", () => go(1));
}
