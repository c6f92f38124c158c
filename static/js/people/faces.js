/** People as the page shows them: their picture or letter, whether they are here, their name. */

import { h } from "../dom.js";
import { avatar } from "../parts.js";

/** @typedef {import("../types.js").Person} Person */
/** @typedef {{ display_name: string, avatar?: string | null }} Named */

/**
 * @param {Named} person
 * @param {"" | "onair" | "lost" | "here" | "away"} [ring]
 * @param {number} [px]
 */
export function face(person, ring = "", px = 40) {
  const element = avatar(person.display_name, ring, px);
  if (!person.avatar) return element;
  const picture = h("img", { src: person.avatar, alt: "", width: px, height: px, decoding: "async" });
  // The letter stays below: a picture that does not come leaves it.
  picture.addEventListener("error", () => picture.remove());
  element.append(picture);
  return element;
}

/** @param {Person} person */
export function ringOf({ presence }) {
  if (presence === "live") return "onair";
  if (presence === "online" || presence === "listening") return "here";
  return presence === "offline" ? "away" : "";
}

/** @param {Person} person @returns {string} */
export function presenceWords({ presence, live }) {
  if (presence === "live") return live?.title ? `Live: ${live.title}` : "Live now";
  if (presence === "listening") return "Here, listening";
  if (presence === "online") return "Here now";
  return presence === "offline" ? "Not here just now" : "";
}

/** @param {Person} person @returns {number} whoever is live first, then whoever is here */
function rank({ presence }) {
  return presence === "live" ? 0 : presence === "online" || presence === "listening" ? 1 : 2;
}

/** @param {Person} a @param {Person} b */
export function byPresence(a, b) {
  return rank(a) - rank(b) || byName(a, b);
}

/** @param {Named} a @param {Named} b */
export function byName(a, b) {
  return a.display_name.localeCompare(b.display_name);
}

/** @param {Person} person */
export const pageOf = (person) => `/people/${encodeURIComponent(person.id)}`;

/**
 * One person in a list.
 * @param {Person} person
 * @param {string} detail
 * @param {...(HTMLElement | null)} actions
 */
export function personRow(person, detail, ...actions) {
  const name = h("a", { href: pageOf(person), dir: "auto" }, person.display_name);
  const sub = h("span", { class: "sub", dir: "auto" }, detail);
  return h("li", { class: "person", data: { testid: "person", person: person.name } }, face(person, ringOf(person), 44), h("div", { class: "txts" }, h("b", null, name), sub), h("div", { class: "acts" }, ...actions));
}
