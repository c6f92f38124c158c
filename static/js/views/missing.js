/** No such page, or no such thing. */

import { h, icon } from "../dom.js";

/**
 * @param {string} [title]
 * @param {string} [lead]
 * @returns {import("../types.js").View}
 */
export function missingView(title = "There is no such page", lead = "The address may have a typing mistake, or what was here has been deleted.") {
  const element = h(
    "div",
    { class: "col" },
    h("h1", null, title),
    h("p", { class: "lead", dir: "auto" }, lead),
    h("div", { class: "row gap" }, h("a", { class: "btn first", href: "/live" }, icon("live", 20), "See who is live"), h("a", { class: "btn", href: "/recordings" }, icon("list", 20), "Recordings")),
  );
  return { element, title };
}
