/** A speaker's name, to be pressed; and the card that opens in its place to change it. */

import { h, icon } from "../dom.js";

/** @typedef {import("./naming.js").Naming} Naming */
/** @typedef {import("./speakers.js").Who} Who */

const CONSENT = "It stays on this server. Ask them first.";

/** @param {Who} who @param {((place: HTMLElement, label: string) => void) | null} open null: it is not one's own to change @param {boolean} [pencil] whether it shows that it can be changed */
export function nameButton(who, open, pencil = false) {
  if (!who.label || !open) return h("span", { class: who.label && !who.named ? "name unnamed" : "name", dir: "auto" }, who.name);
  const heard = who.source === "voice" ? [h("span", { class: "by-voice", title: "Recognised by voice" }, icon("voice", 18), h("span", { class: "aloud" }, ", recognised by voice"))] : [];
  const button = h("button", { type: "button", class: `name${who.named ? "" : " unnamed"}`, dir: "auto", title: `Rename ${who.name}`, data: { testid: "speaker", speaker: who.label } }, h("span", null, who.name), ...heard, pencil && icon("pencil", 18));
  button.addEventListener("click", () => open(button, who.label));
  return button;
}

export class SpeakerCard {
  /**
   * @param {HTMLElement} place in which the card floats
   * @param {Naming} naming
   * @param {(open: boolean) => void} [told]
   */
  constructor(place, naming, told = () => {}) {
    this.place = place;
    this.naming = naming;
    this.told = told;
    this.element = h("div", { class: "menu speaker-card", role: "dialog", hidden: true, data: { testid: "speaker-card" } });
    /** @type {HTMLElement | null} */
    this.anchor = null;
    this.label = "";
    place.append(this.element);
    this.element.addEventListener("keydown", (event) => event.key === "Escape" && this.escape(event));
    this.outside = (/** @type {Event} */ event) => {
      if (event.target instanceof Node && !this.element.contains(event.target)) this.close(true);
    };
  }

  /** @param {KeyboardEvent} event */
  escape(event) {
    event.stopPropagation();
    this.close(false);
    this.focusBack();
  }

  /** The name may be another element by now. */
  focusBack() {
    const buttons = [...this.place.querySelectorAll("button.name")];
    const same = this.anchor?.isConnected ? this.anchor : buttons.reverse().find((one) => one instanceof HTMLElement && one.dataset["speaker"] === this.label);
    if (same instanceof HTMLElement) same.focus({ preventScroll: true });
  }

  /** @param {HTMLElement} anchor @param {string} label */
  open(anchor, label) {
    const { naming } = this;
    const who = naming.speakers.who(label);
    this.anchor = anchor;
    this.label = who.label;
    const field = h("input", { class: "edit", value: who.named ? who.name : "", placeholder: who.name, maxLength: 80, dir: "auto", "aria-label": `Name of ${who.name}`, autocomplete: "off", data: { testid: "speaker-field" } });
    const save = h("button", { type: "submit", class: "btn first", data: { testid: "speaker-save" } }, "Save");
    const form = h("form", { class: `name-row s${who.hue}` }, h("span", { class: "mark" }, h("i")), field, save);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.close(true);
      this.focusBack();
    });
    this.field = field;
    this.element.setAttribute("aria-label", `Speaker ${who.name}`);
    this.element.replaceChildren(form, h("p", { class: "sub" }, "A new name goes everywhere at once."), ...this.voice(who), ...this.others(who));
    this.element.hidden = false;
    this.put(anchor);
    this.element.scrollIntoView({ block: "nearest" });
    this.told(true);
    document.addEventListener("pointerdown", this.outside, true);
    field.select();
    field.focus({ preventScroll: true });
  }

  /** @param {HTMLElement} anchor where the card covers the name, inside its place */
  put(anchor) {
    const [room, name] = [this.place.getBoundingClientRect(), anchor.getBoundingClientRect()];
    const { offsetHeight, offsetWidth } = this.element;
    const top = Math.max(-8, Math.min(name.top - room.top - 20, room.height - offsetHeight));
    const left = Math.max(-8, Math.min(name.left - room.left - 40, room.width - offsetWidth + 8));
    this.element.style.setProperty("--top", `${top}px`);
    this.element.style.setProperty("--left", `${left}px`);
  }

  /** @param {Who} who @returns {HTMLElement[]} */
  voice(who) {
    if (!who.named) return [];
    if (who.source === "voice") return [h("p", { class: "sub heard-voice" }, icon("voice", 18), `${who.name} was recognised by voice. If that is wrong, type who it is.`), this.act("speaker-forget", "Forget the name", () => this.naming.forget(who.label))];
    const remember = this.act("speaker-voice", "Remember this voice", () => this.naming.remember(who.label), "voice");
    const consent = h("p", { class: "sub" }, `Remember this voice so that ${who.name} is named next time. ${CONSENT}`);
    return [h("div", { class: "menu-part" }, remember, consent), this.act("speaker-forget", "Forget the name", () => this.naming.forget(who.label))];
  }

  /** @param {Who} who @returns {HTMLElement[]} */
  others(who) {
    const { speakers } = this.naming;
    const rest = speakers.present.filter((one) => one.label !== who.label);
    const merged = speakers.mergedInto(who.label);
    const chips = rest.map((one) => {
      const chip = h("button", { type: "button", class: `btn chip s${one.hue}`, data: { testid: "speaker-merge" } }, h("span", { class: "mark" }, h("i"), h("span", { dir: "auto" }, one.name)));
      chip.addEventListener("click", () => this.then(() => this.naming.merge(who.label, one.label)));
      return chip;
    });
    /** @type {HTMLElement[]} */
    const parts = merged.map((one) => this.act("speaker-unmerge", `Take Speaker ${one.number} apart again`, () => this.naming.unmerge(one.label)));
    if (chips.length > 0) parts.push(h("div", { class: "menu-part" }, h("b", null, "The same person as"), h("div", { class: "chips" }, ...chips)));
    return parts;
  }

  /** @param {string} testid @param {string} text @param {() => Promise<void>} act @param {string} [picture] */
  act(testid, text, act, picture) {
    return h("button", { type: "button", class: "btn wide", data: { testid }, on: { click: () => this.then(act) } }, picture ? icon(picture, 20) : null, text);
  }

  /** @param {() => Promise<void>} act */
  then(act) {
    this.close(false);
    this.focusBack();
    void act();
  }

  /** @param {boolean} keep what was typed */
  close(keep) {
    if (this.element.hidden) return;
    document.removeEventListener("pointerdown", this.outside, true);
    this.element.hidden = true;
    const typed = this.field?.value.trim() ?? "";
    this.told(false);
    if (keep && typed) void this.naming.rename(this.label, typed);
  }
}
