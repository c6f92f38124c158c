/**
 * Captions as turns: what one speaker says in a row stands under one name. Elements are kept and changed where they
 * are, so that a correction moves nothing else and nobody loses the focus.
 */

import { h, say } from "../dom.js";
import { RATE } from "./model.js";
import { wordNodes } from "./words.js";

/** @typedef {import("../types.js").Caption} Caption */
/** @typedef {import("./speakers.js").Who} Who */
/** @typedef {{ first: Caption, who: Who[], paragraphs: Caption[][] }} Turn */

/** After such a pause the name is said again. */
const PAUSE = 8 * RATE;
/** After such a pause a paragraph begins. */
const BREATH = 2.5 * RATE;
const IN_PARAGRAPH = 5;
const IN_TURN = 25;

/**
 * @param {Caption[]} captions in order
 * @param {(labels: string[]) => Who[]} resolve
 * @returns {Turn[]}
 */
export function turnsOf(captions, resolve) {
  /** @type {Turn[]} */
  const turns = [];
  let [key, end, count] = ["", 0, 0];
  for (const caption of captions) {
    const who = resolve(caption.speakers);
    const now = who.map(({ label }) => label).join("+");
    const gap = caption.start - end;
    const turn = turns.at(-1);
    const paragraph = turn?.paragraphs.at(-1);
    if (!turn || !paragraph || now !== key || gap > PAUSE || count >= IN_TURN) {
      turns.push({ first: caption, who, paragraphs: [[caption]] });
      count = 0;
    } else if (gap > BREATH || paragraph.length >= IN_PARAGRAPH) turn.paragraphs.push([caption]);
    else paragraph.push(caption);
    key = now;
    end = Math.max(end, caption.end);
    count += 1;
  }
  return turns;
}

/**
 * @typedef {object} TurnOptions
 * @property {boolean} [single] every word in an element of its own
 * @property {(who: Who) => HTMLElement} [name] the element with a name; a plain one otherwise
 * @property {(turn: Turn) => HTMLElement | null} [lead] what stands before the name of a turn
 * @property {(element: HTMLElement, caption: Caption) => void} [dress] called after the words of a caption were set
 */

/** @param {Who} who @returns {HTMLElement} */
export function plainName(who) {
  return h("span", { class: "name", dir: "auto" }, who.name);
}

export class TurnList {
  /** @param {TurnOptions} [options] */
  constructor(options = {}) {
    this.options = options;
    this.element = h("div", { class: "turns" });
    /** @type {Map<number, { element: HTMLElement, caption: Caption | null }>} */
    this.spans = new Map();
    /** @type {Map<number, { element: HTMLElement, head: HTMLElement, key: string }>} */
    this.turns = new Map();
    /** The paragraph that may still grow and shrink. @type {HTMLElement | null} */
    this.growing = null;
  }

  /**
   * @param {Caption[]} captions
   * @param {(labels: string[]) => Who[]} resolve
   */
  show(captions, resolve) {
    const turns = turnsOf(captions, resolve);
    const elements = turns.map((turn) => this.turn(turn));
    place(this.element, elements);
    this.forget(turns, captions);
    this.hold(captions.at(-1));
  }

  /** @param {Turn} turn @returns {HTMLElement} */
  turn({ first, who, paragraphs }) {
    let known = this.turns.get(first.id);
    if (!known) {
      const head = h("header", { class: "who" });
      known = { element: h("article", { class: "turn", data: { turn: first.id } }), head, key: "" };
      const lead = this.options.lead?.({ first, who, paragraphs });
      known.element.append(...(lead ? [lead, head] : [head]));
      this.turns.set(first.id, known);
    }
    const key = JSON.stringify(who);
    if (key !== known.key) {
      known.key = key;
      this.fillHead(known.head, who);
      known.element.className = `turn s${who[0]?.hue ?? 0}`;
    }
    const found = [...known.element.querySelectorAll("p")];
    const texts = paragraphs.map((captions, at) => {
      const element = found[at] ?? h("p", { dir: "auto" });
      this.fill(element, captions);
      return element;
    });
    for (const extra of found.slice(texts.length)) extra.remove();
    known.element.append(...texts.slice(found.length));
    return known.element;
  }

  /** @param {HTMLElement} head @param {Who[]} who */
  fillHead(head, who) {
    const make = this.options.name ?? plainName;
    const parts = who.flatMap((one, at) => {
      const mark = h("span", { class: `mark s${one.hue}` }, h("i"), make(one));
      return at > 0 ? [h("span", { class: "and" }, at === who.length - 1 ? "and" : ","), mark] : [mark];
    });
    const focused = head.contains(document.activeElement);
    head.replaceChildren(...parts);
    if (focused) head.querySelector("button")?.focus({ preventScroll: true });
  }

  /** @param {HTMLElement} paragraph @param {Caption[]} captions */
  fill(paragraph, captions) {
    const elements = captions.map((caption) => this.span(caption));
    const present = [...paragraph.children];
    if (present.length === elements.length && elements.every((element, at) => element === present[at])) return;
    // A space of its own between two captions, so that copied text reads well.
    paragraph.replaceChildren(...elements.flatMap((element, at) => (at > 0 ? [" ", element] : [element])));
  }

  /** @param {Caption} caption @returns {HTMLElement} */
  span(caption) {
    let known = this.spans.get(caption.id);
    if (!known) {
      known = { element: h("span", { class: "cap", data: { caption: caption.id } }), caption: null };
      this.spans.set(caption.id, known);
    }
    const { element } = known;
    if (known.caption === caption || element.dataset["editing"]) return element;
    known.caption = caption;
    element.classList.toggle("interim", !caption.final);
    element.classList.toggle("hid", caption.hidden);
    const nodes = wordNodes(caption, this.options.single);
    if (nodes.length === 1 && typeof nodes[0] === "string") say(element, nodes[0]);
    else element.replaceChildren(...nodes);
    this.options.dress?.(element, caption);
    return element;
  }

  /** @param {Turn[]} turns @param {Caption[]} captions */
  forget(turns, captions) {
    if (this.turns.size > turns.length) {
      const keys = new Set(turns.map((turn) => turn.first.id));
      for (const key of this.turns.keys()) if (!keys.has(key)) this.turns.delete(key);
    }
    if (this.spans.size > captions.length) {
      const ids = new Set(captions.map((caption) => caption.id));
      for (const id of this.spans.keys()) if (!ids.has(id)) this.spans.delete(id);
    }
  }

  /** What is being said may get shorter; its lines stay, or everything above would dance. @param {Caption | undefined} last */
  hold(last) {
    const newest = this.element.lastElementChild?.lastElementChild;
    const paragraph = newest instanceof HTMLElement && newest.tagName === "P" ? newest : null;
    if (paragraph !== this.growing) this.growing?.style.removeProperty("min-height");
    this.growing = paragraph;
    if (!paragraph || !last || last.final) return;
    paragraph.style.minHeight = `${paragraph.offsetHeight}px`;
  }

  /** Lines have another height now. */
  loosen() {
    this.growing?.style.removeProperty("min-height");
  }

  /** @param {number} id @returns {HTMLElement | null} */
  caption(id) {
    return this.spans.get(id)?.element ?? null;
  }
}

/** @param {HTMLElement} parent @param {HTMLElement[]} elements in order; what stands right is not touched */
function place(parent, elements) {
  /** @type {Element | null} */
  let next = parent.firstElementChild;
  for (const element of elements) {
    if (element === next) next = next.nextElementSibling;
    else parent.insertBefore(element, next);
  }
  while (next) {
    const gone = next;
    next = next.nextElementSibling;
    gone.remove();
  }
}
