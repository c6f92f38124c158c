/** What one looks for among the recordings; it stands in the address, so that going back finds it again. */

import { h, icon, say } from "../dom.js";
import { store } from "../store.js";
import { languageSelect } from "../studio/wording.js";
import { getCollections } from "./api.js";

/** @typedef {Record<string, string>} Wanted by the name in the query; empty: whatever it is */

const NAMES = ["search", "owner", "origin", "state", "speaker", "language", "collection", "since", "until", "sort"];
const TYPING_MS = 250;
/** @type {[string, string][]} */
const SORTS = [["", "Newest first"], ["newest", "Newest first"], ["oldest", "Oldest first"], ["longest", "Longest first"], ["largest", "Largest first"], ["title", "By title"]];
/** @type {[string, string][]} */
const ORIGINS = [["", "Live and uploaded"], ["live", "Broadcast here"], ["upload", "Uploaded"]];
/** @type {[string, string][]} */
const STATES = [["", "Any state"], ["recording", "Being recorded"], ["finishing", "Being finished"], ["ready", "Ready"], ["recovered", "Recovered"], ["failed", "Not kept whole"]];

/** @returns {Wanted} what the address says */
export function wantedNow() {
  const query = new URLSearchParams(location.search);
  return Object.fromEntries(NAMES.map((name) => [name, query.get(name) ?? ""]));
}

/** @param {Wanted} wanted */
function keepInAddress(wanted) {
  const query = new URLSearchParams(Object.entries(wanted).filter(([, value]) => value)).toString();
  history.replaceState(history.state, "", location.pathname + (query ? `?${query}` : ""));
}

/** @param {Wanted} wanted @returns {Wanted} as the server takes it: days begin and end here */
export function asked(wanted) {
  const { since = "", until = "", ...rest } = wanted;
  const day = (/** @type {string} */ text, /** @type {string} */ time) => (text ? new Date(`${text}T${time}`).toISOString() : "");
  return { ...rest, since: day(since, "00:00:00"), until: day(until, "23:59:59") };
}

/** @param {string} name @param {string} label @param {HTMLElement} control */
function line(name, label, control) {
  control.id = `filter-${name}`;
  control.dataset["testid"] = `filter-${name}`;
  const place = control instanceof HTMLSelectElement ? h("span", { class: "select" }, control) : control;
  return h("div", { class: "line" }, h("label", { htmlFor: control.id }, label), place);
}

/** @param {[string, string][]} options @param {string} now @param {(value: string) => void} change */
function select(options, now, change) {
  const element = h("select", null, options.map(([value, name]) => h("option", { value, selected: value === now }, name)));
  element.addEventListener("change", () => change(element.value));
  return element;
}

/** @param {string} now @param {(value: string) => void} change */
function collectionSelect(now, change) {
  const element = select([["", "Any collection"]], "", change);
  getCollections().then(
    ({ items }) => element.append(...items.map(({ id, title }) => h("option", { value: id, selected: id === now }, title))),
    () => undefined,
  );
  return element;
}

/** @param {string} type @param {string} now @param {(value: string) => void} change */
function input(type, now, change) {
  const element = h("input", { type, class: "field", value: now, autocomplete: "off", maxLength: 80, dir: "auto" });
  element.addEventListener("change", () => change(element.value.trim()));
  return element;
}

/** @param {Wanted} wanted @param {(name: string) => (value: string) => void} set */
function panelOf(wanted, set) {
  const of = (/** @type {string} */ name) => wanted[name] ?? "";
  const language = languageSelect("filter-language", of("language"), set("language"));
  const [any] = language.options;
  if (any) any.text = "Any language";
  const me = store.me?.id ?? "";
  const whose = store.social ? line("owner", "Whose", select([["", "All that I may hear"], [me, "Mine"]], of("owner"), set("owner"))) : null;
  return h(
    "div",
    { class: "filter-panel card", id: "filters", data: { testid: "filters" } },
    whose,
    line("origin", "Where from", select(ORIGINS, of("origin"), set("origin"))),
    line("speaker", "Who speaks", input("text", of("speaker"), set("speaker"))),
    line("language", "Language", language),
    line("collection", "Collection", collectionSelect(of("collection"), set("collection"))),
    line("state", "State", select(STATES, of("state"), set("state"))),
    line("since", "From", input("date", of("since"), set("since"))),
    line("until", "Until", input("date", of("until"), set("until"))),
  );
}

/** @param {Wanted} wanted */
function parts(wanted) {
  const field = h("input", { type: "search", class: "field", value: wanted["search"] ?? "", placeholder: "Search titles and what was said", "aria-label": "Search titles and what was said", autocomplete: "off", dir: "auto", data: { testid: "library-search" } });
  const label = h("span");
  const opener = h("button", { type: "button", class: "btn p-icon", "aria-expanded": "false", "aria-controls": "filters", data: { testid: "open-filters" } }, icon("filter", 20), label);
  const clear = h("button", { type: "button", class: "btn quiet", data: { testid: "clear-filters" } }, "Clear");
  const sort = select(SORTS, wanted["sort"] ?? "", () => undefined);
  sort.setAttribute("aria-label", "Order");
  sort.dataset["testid"] = "sort";
  return { field, label, opener, clear, sort, place: h("div") };
}

/** @param {(wanted: Wanted) => void} change told what is wanted now */
export function filters(change) {
  let wanted = wantedNow();
  const { field, label, opener, clear, sort, place } = parts(wanted);
  let typing = 0;
  let open = false;

  const set = (/** @type {string} */ name) => (/** @type {string} */ value) => {
    wanted = { ...wanted, [name]: value };
    keepInAddress(wanted);
    show();
    change(wanted);
  };
  const chosen = () => NAMES.filter((name) => name !== "search" && name !== "sort" && wanted[name]).length;
  const draw = () => place.replaceChildren(...(open ? [panelOf(wanted, set)] : []));
  function show() {
    const many = chosen();
    say(label, many ? `Filter, ${many} set` : "Filter");
    opener.setAttribute("aria-label", many ? `Filter, ${many} set` : "Filter");
    opener.classList.toggle("pressed", open || many > 0);
    opener.setAttribute("aria-expanded", String(open));
    clear.hidden = many === 0;
    const [usual, newest] = sort.options;
    if (!usual || !newest) return;
    // What is searched for comes with what fits best.
    usual.text = wanted["search"] ? "Best first" : "Newest first";
    newest.hidden = newest.disabled = !wanted["search"];
  }
  field.addEventListener("input", () => {
    clearTimeout(typing);
    // A space at the end says that the last word is whole.
    typing = window.setTimeout(() => set("search")(field.value.trim() && field.value.trimStart()), TYPING_MS);
  });
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !field.value) return;
    field.value = "";
    set("search")("");
  });
  sort.addEventListener("change", () => set("sort")(sort.value));
  opener.addEventListener("click", () => {
    open = !open;
    draw();
    show();
  });
  clear.addEventListener("click", () => {
    wanted = { ...Object.fromEntries(NAMES.map((name) => [name, ""])), search: wanted["search"] ?? "", sort: wanted["sort"] ?? "" };
    keepInAddress(wanted);
    draw();
    show();
    opener.focus();
    change(wanted);
  });
  show();
  const element = h("div", { class: "lib-tools", role: "search" }, h("div", { class: "lib-find" }, h("span", { class: "with-icon" }, icon("search", 20), field), opener, h("span", { class: "select" }, sort), clear), place);
  return {
    element,
    now: () => wanted,
    /** @returns {boolean} whether anything is left out of the list */
    narrowed: () => Boolean(wanted["search"]) || chosen() > 0,
    leave: () => clearTimeout(typing),
  };
}
