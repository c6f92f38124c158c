/** The words of one caption: what stays in ink, what may still change lighter, what is doubtful dotted. */

import { h } from "../dom.js";

/** @typedef {import("../types.js").Caption} Caption */
/** @typedef {import("../types.js").Word} Word */

/** Below this a recogniser says itself that it is not sure. */
export const DOUBTFUL = 0.3;
const DOUBT = "The recogniser was not sure of this word.";

/** @param {Word[]} words @returns {string} */
const joined = (words) => words.map((word) => word.text).join("");

/**
 * @param {Caption} caption
 * @param {boolean} [single] every word in an element of its own, to be marked while it is heard
 * @returns {(Node | string)[]}
 */
export function wordNodes(caption, single = false) {
  const { words, text } = caption;
  // What a person wrote has no words with times.
  if (caption.edited || words.length === 0 || joined(words).trim() !== text.trim()) return [text.trim()];
  const stays = caption.final ? words.length : caption.committed;
  const nodes = run(words.slice(0, stays), single);
  const rest = words.slice(stays);
  if (rest.length > 0) nodes.push(h("em", null, joined(rest)));
  return trimmed(nodes);
}

/** @param {Word[]} words @param {boolean} single @returns {(Node | string)[]} */
function run(words, single) {
  /** @type {(Node | string)[]} */
  const nodes = [];
  let plain = "";
  for (const word of words) {
    const doubtful = word.probability < DOUBTFUL;
    if (!doubtful && !single) {
      plain += word.text;
      continue;
    }
    // The space before a word is not doubtful.
    const bare = word.text.trimStart();
    plain += word.text.slice(0, word.text.length - bare.length);
    if (plain) nodes.push(plain);
    plain = "";
    const props = doubtful ? { class: "doubt", title: DOUBT } : {};
    nodes.push(h("span", single ? { ...props, data: { from: word.start } } : props, bare));
  }
  if (plain) nodes.push(plain);
  return nodes;
}

/** @param {(Node | string)[]} nodes without the space at the beginning */
function trimmed(nodes) {
  const [first] = nodes;
  if (typeof first === "string") nodes[0] = first.trimStart();
  else if (first instanceof HTMLElement && first.tagName === "EM") first.textContent = (first.textContent ?? "").trimStart();
  return nodes;
}
