/**
 * The turns of hours: only those near what one sees have elements. The others are boxes as high as they were, or as they
 * are likely to be.
 */

import { h } from "../dom.js";
import { TurnList, turnsOf } from "./turns.js";

/** @typedef {import("../types.js").Caption} Caption */
/** @typedef {import("./speakers.js").Who} Who */
/** @typedef {import("./turns.js").TurnOptions} TurnOptions */

/** Captions of a part: it ends with the turn in which there are so many. */
const PART = 40;
/** How far outside of what one sees parts are kept ready, pixels. */
const MARGIN_PX = 900;
/** For what was never drawn: the head of a turn, a line, and how much stands in one. */
const [HEAD_PX, LINE_PX, LETTERS] = [38, 24, 42];

/** @typedef {{ first: number, captions: Caption[], element: HTMLElement, list: TurnList | null, near: boolean, drawn: boolean }} Part */

/** @param {Caption[]} captions @returns {number} pixels, about */
function likelyHeight(captions) {
  let [lines, turns, before] = [0, 0, ""];
  for (const { text, speakers } of captions) {
    lines += text.length / LETTERS;
    const key = speakers.join("+");
    if (key !== before) turns += 1;
    before = key;
  }
  return Math.round((lines + turns / 2) * LINE_PX + turns * HEAD_PX);
}

export class WindowedTurns {
  /**
   * @param {HTMLElement} flow what scrolls
   * @param {TurnOptions} options
   * @param {(captions: Caption[]) => void} came called with captions that have just got elements
   */
  constructor(flow, options, came) {
    this.flow = flow;
    this.options = options;
    this.came = came;
    this.element = h("div", { class: "turns" });
    /** In order. @type {Part[]} */
    this.parts = [];
    /** @type {Map<number, Part>} */
    this.byFirst = new Map();
    /** @type {WeakMap<Element, Part>} */
    this.byElement = new WeakMap();
    /** @type {Map<number, Part>} */
    this.byCaption = new Map();
    /** @type {(labels: string[]) => Who[]} */
    this.resolve = () => [];
    this.watcher = new IntersectionObserver((entries) => this.moved(entries), { root: flow, rootMargin: `${MARGIN_PX}px 0px` });
  }

  /** @param {Caption[]} captions in order @param {(labels: string[]) => Who[]} resolve */
  show(captions, resolve) {
    this.resolve = resolve;
    const groups = this.grouped(turnsOf(captions, resolve));
    const before = new Set(this.parts);
    this.byCaption.clear();
    this.parts = groups.map((group) => this.part(group));
    for (const part of this.parts) before.delete(part);
    for (const part of before) this.drop(part);
    /** @type {Element | null} */
    let next = this.element.firstElementChild;
    for (const { element } of this.parts) {
      if (element === next) next = next.nextElementSibling;
      else this.element.insertBefore(element, next);
    }
    // Nobody waits for the observer to see the beginning.
    if (this.parts[0] && before.size === 0 && this.flow.scrollTop === 0) this.mount(this.parts[0]);
    for (const part of this.parts) if (part.list) this.draw(part);
  }

  /**
   * A part that begins where one began before stays that part, whatever came before it.
   * @param {import("./turns.js").Turn[]} turns
   * @returns {Caption[][]}
   */
  grouped(turns) {
    /** @type {Caption[][]} */
    const groups = [];
    for (const turn of turns) {
      const said = turn.paragraphs.flat();
      const group = groups.at(-1);
      if (!group || group.length >= PART || this.byFirst.has(turn.first.id)) groups.push(said);
      else group.push(...said);
    }
    return groups;
  }

  /** @param {Caption[]} captions @returns {Part} */
  part(captions) {
    const first = captions[0]?.id ?? 0;
    let part = this.byFirst.get(first);
    if (!part) {
      part = { first, captions: [], element: h("div", { class: "tr-part" }), list: null, near: false, drawn: false };
      this.byFirst.set(first, part);
      this.byElement.set(part.element, part);
      this.watcher.observe(part.element);
    }
    const grown = part.captions.length !== captions.length;
    part.captions = captions;
    for (const { id } of captions) this.byCaption.set(id, part);
    if (!part.list && (grown || !part.drawn)) part.element.style.setProperty("height", `${likelyHeight(captions)}px`);
    return part;
  }

  /** @param {Part} part */
  drop(part) {
    this.watcher.unobserve(part.element);
    this.byFirst.delete(part.first);
    part.element.remove();
  }

  /** @param {IntersectionObserverEntry[]} entries */
  moved(entries) {
    /** @type {Part[]} */
    const come = [];
    for (const { target, isIntersecting } of entries) {
      const part = this.byElement.get(target);
      if (!part) continue;
      part.near = isIntersecting;
      if (isIntersecting) come.push(part);
      else this.unmount(part);
    }
    this.steadily(() => come.forEach((part) => this.mount(part)));
  }

  /** What one sees stays where it is, whatever turns out to be higher or lower than it was taken for. @param {() => void} change */
  steadily(change) {
    const top = this.flow.getBoundingClientRect().top;
    const seen = this.parts.find(({ list, element }) => list && element.getBoundingClientRect().bottom > top)?.element;
    const before = seen?.getBoundingClientRect().top ?? 0;
    change();
    const moved = seen ? seen.getBoundingClientRect().top - before : 0;
    if (Math.abs(moved) >= 1) this.flow.scrollTop += moved;
  }

  /** @param {Part} part */
  mount(part) {
    if (part.list) return;
    part.list = new TurnList(this.options);
    part.element.style.removeProperty("height");
    part.element.replaceChildren(part.list.element);
    this.draw(part);
    part.drawn = true;
    this.came(part.captions);
  }

  /** @param {Part} part */
  unmount(part) {
    const busy = part.element.contains(document.activeElement) || part.element.querySelector("[data-editing]");
    if (!part.list || busy) return;
    part.element.style.setProperty("height", `${part.element.offsetHeight}px`);
    part.list = null;
    part.element.replaceChildren();
  }

  /** @param {Part} part */
  draw(part) {
    part.list?.show(part.captions, this.resolve);
  }

  /** @param {number} id @returns {HTMLElement | null} null while it is far from what one sees */
  caption(id) {
    return this.byCaption.get(id)?.list?.caption(id) ?? null;
  }

  /** @param {number} id @returns {HTMLElement | null} made now if it has to be */
  bring(id) {
    const part = this.byCaption.get(id);
    if (part) this.mount(part);
    return this.caption(id);
  }

  /** @returns {Caption[]} those that have elements */
  get present() {
    return this.parts.flatMap((part) => (part.list ? part.captions : []));
  }

  stop() {
    this.watcher.disconnect();
  }
}
