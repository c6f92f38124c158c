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

/**
 * The word that was pressed.
 * @param {Caption} caption
 * @param {HTMLElement} element its own
 * @param {number} x
 * @param {number} y
 * @returns {number} where it begins, samples; the caption's beginning where that is not known
 */
export function wordAt(caption, element, x, y) {
  const [node, offset] = caret(x, y);
  if (!node || !element.contains(node)) return caption.start;
  const before = new Range();
  before.setStart(element, 0);
  before.setEnd(node, offset);
  let left = before.toString().length;
  const { text, words } = caption;
  if (caption.edited || joined(words).trim() !== text.trim()) return caption.start;
  for (const [at, word] of words.entries()) {
    left -= at === 0 ? word.text.trimStart().length : word.text.length;
    if (left < 0) return word.start;
  }
  return words.at(-1)?.start ?? caption.start;
}

/** @param {number} x @param {number} y @returns {[Node | null, number]} */
function caret(x, y) {
  const found = document.caretPositionFromPoint?.(x, y);
  if (found) return [found.offsetNode, found.offset];
  const range = document.caretRangeFromPoint?.(x, y);
  return range ? [range.startContainer, range.startOffset] : [null, 0];
}
