/** What belongs to the library, one beside the other: all recordings, collections, the voices that are known, the bin. */

import { h, icon } from "../dom.js";

const PLACES = [
  ["/recordings", "All"],
  ["/collections", "Collections"],
  ["/voices", "Voices"],
  ["/bin", "Bin"],
];

/**
 * @param {string} here address of the one that is open
 * @param {string} title of the page
 * @param {...HTMLElement} beside the title
 */
export function libraryHead(here, title, ...beside) {
  const links = PLACES.map(([path = "", name]) => {
    const link = h("a", { href: path, class: path === here ? "on" : "", data: { testid: `library-${path.slice(1)}` } }, name);
    if (path === here) link.setAttribute("aria-current", "page");
    return link;
  });
  const upload = h("a", { class: "btn", href: "/uploads", data: { testid: "to-uploads" } }, icon("upload", 20), h("span", null, "Upload"));
  return h("header", { class: "lib-head" }, h("div", { class: "hm-head mid" }, h("h1", null, title), h("div", { class: "row gap" }, ...beside, upload)), h("nav", { class: "tabs", "aria-label": "Library" }, links));
}
