/** Pages in sections, each with an address of its own: a phone shows the list or a section, a wide window both. */

import { h, icon } from "../dom.js";
import { missingView } from "./missing.js";

/** @typedef {{ id: string, name: string, about: string, make: () => HTMLElement | Promise<HTMLElement> }} Section */

/**
 * @typedef {object} Sections
 * @property {string} name of the page
 * @property {string} path its address, and with a hyphen after it what tests know its links by
 * @property {string} [look] a class of its own
 * @property {[Section, ...Section[]]} list the first is the one that a wide window begins with
 * @property {() => HTMLElement[]} [foot] what stands under the list
 */

/** @param {Sections} page @param {string} chosen */
function contents({ path, list, foot }, chosen) {
  const rows = list.map(({ id, name, about }) => {
    const link = h("a", { class: id === chosen ? "on" : "", href: `/${path}/${id}`, data: { testid: `${path}-${id}` } }, h("b", null, name), h("span", { class: "sub" }, about));
    if (id === chosen) link.setAttribute("aria-current", "page");
    return h("li", null, link);
  });
  return h("nav", { class: "contents", "aria-label": "Sections" }, h("ul", null, rows), ...(foot?.() ?? []));
}

/**
 * @param {Sections} page
 * @param {string} id of the section; empty where the address names none
 * @returns {Promise<import("../types.js").View>}
 */
export async function sectionsView(page, id) {
  const section = id ? page.list.find((one) => one.id === id) : page.list[0];
  if (!section) return missingView();
  const { name, path, look = "" } = page;
  const body = h("section", { class: "section", "aria-labelledby": "section-name" }, h("a", { class: "btn quiet backlink", href: `/${path}` }, icon("left", 20), name), h("h2", { id: "section-name" }, section.name), await section.make());
  const classes = ["col", "settings", look, id ? "chosen" : ""].filter(Boolean).join(" ");
  const element = h("div", { class: classes }, h("h1", null, name), h("div", { class: "sides" }, contents(page, section.id), body));
  return { element, title: id ? section.name : name };
}
