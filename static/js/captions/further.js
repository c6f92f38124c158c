/** What else a person does to one caption: say who else said it, look at what stood there before, take that back. */

import { words } from "../api.js";
import { h, say } from "../dom.js";
import { exact, relative } from "../format.js";
import { getEdits } from "../recording/api.js";

/** @typedef {import("../types.js").Caption} Caption */
/** @typedef {import("./speakers.js").Speakers} Speakers */
/** @typedef {(caption: Caption, change: { text?: string, speakers?: string[], hidden?: boolean }, failed: string) => Promise<boolean>} Change */

export class CaptionCard {
  /** @param {HTMLElement} place in which it floats */
  constructor(place) {
    this.place = place;
    this.element = h("div", { class: "menu speaker-card", role: "dialog", hidden: true, data: { testid: "caption-card" } });
    /** @type {HTMLElement | null} */
    this.from = null;
    place.append(this.element);
    this.outside = (/** @type {Event} */ event) => {
      if (event.target instanceof Node && !this.element.contains(event.target)) this.close();
    };
    this.element.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key !== "Escape") return;
      this.close();
      this.from?.focus({ preventScroll: true });
    });
  }

  /** @param {HTMLElement} caption beside which it opens @param {string} label @param {...HTMLElement} parts */
  open(caption, label, ...parts) {
    this.from = caption;
    this.element.setAttribute("aria-label", label);
    this.element.replaceChildren(...parts);
    this.element.hidden = false;
    const [room, line] = [this.place.getBoundingClientRect(), caption.getBoundingClientRect()];
    const { offsetHeight, offsetWidth } = this.element;
    this.element.style.setProperty("--top", `${Math.max(0, Math.min(line.bottom - room.top + 4, room.height - offsetHeight))}px`);
    this.element.style.setProperty("--left", `${Math.max(-8, Math.min(line.left - room.left, room.width - offsetWidth + 8))}px`);
    this.element.querySelector("button")?.focus({ preventScroll: true });
    document.addEventListener("pointerdown", this.outside, true);
  }

  close() {
    document.removeEventListener("pointerdown", this.outside, true);
    this.element.hidden = true;
  }
}

/**
 * @param {CaptionCard} card
 * @param {HTMLElement} element of the caption
 * @param {Caption} caption
 * @param {Speakers} speakers
 * @param {Change} change
 */
export function askWho(card, element, caption, speakers, change) {
  const now = speakers.all(caption.speakers).map(({ label }) => label);
  const chips = speakers.present.map((who) => {
    const chip = h("button", { type: "button", class: `btn chip s${who.hue}`, "aria-pressed": String(now.length === 1 && now[0] === who.label), data: { testid: "caption-said-by" } }, h("span", { class: "mark" }, h("i"), h("span", { dir: "auto" }, who.name)));
    chip.addEventListener("click", () => {
      card.close();
      element.focus({ preventScroll: true });
      if (now.length !== 1 || now[0] !== who.label) void change(caption, { speakers: [who.label] }, "Who said it was not changed.");
    });
    return chip;
  });
  card.open(element, "Who said this", h("b", null, "Who said this?"), h("div", { class: "chips" }, ...chips));
}

/** @param {any} state of a caption before or after a change @returns {string} */
const textOf = (state) => (typeof state === "string" ? state : String(state?.text ?? ""));

/**
 * @param {CaptionCard} card
 * @param {HTMLElement} element of the caption
 * @param {Caption} caption
 * @param {{ stream: string, version: string }} account
 * @param {Change} change
 */
export async function showVersions(card, element, caption, { stream, version }, change) {
  const state = h("p", { class: "sub", role: "status" }, "Loading…");
  const list = h("ol", { class: "versions" });
  const heading = h("b", null, "What stood here");
  card.open(element, "Versions of this caption", heading, state, list);
  try {
    const { items } = await getEdits(stream, caption.id, version);
    say(state, items.length > 0 ? "" : "Nobody has changed this caption.");
    list.replaceChildren(...items.map(({ at, before, undone }) => {
      const text = textOf(before);
      const take = h("button", { type: "button", class: "btn quiet", hidden: !text || text === caption.text, data: { testid: "caption-take-version" } }, "Take this");
      take.addEventListener("click", () => {
        card.close();
        element.focus({ preventScroll: true });
        void change(caption, { text }, "The earlier text was not taken.");
      });
      const when = h("time", { dateTime: at, title: exact(at) }, relative(at));
      return h("li", null, h("p", { dir: "auto" }, text || "the same words"), h("span", { class: "sub" }, "until ", when, undone ? ", undone since" : ""), take);
    }));
  } catch (error) {
    say(state, `The earlier versions did not load. ${words(error)}`);
  }
}
