/** Pieces that the sections of the settings share. */

import { words } from "../api.js";
import { h, icon, say } from "../dom.js";
import { toggle } from "../parts.js";
import { changeProfile } from "../people/api.js";
import { store } from "../store.js";
import { copy, toast } from "../toast.js";

/** @typedef {import("../types.js").Preferences} Preferences */

const SAVED_MS = 3000;

/** A tick that says that something was kept. */
export function savedTick() {
  const element = h("span", { class: "saved", hidden: true, role: "status", data: { testid: "saved" } }, icon("tick", 18), "Saved");
  let timer = 0;
  return {
    element,
    show() {
      element.hidden = false;
      clearTimeout(timer);
      timer = window.setTimeout(() => (element.hidden = true), SAVED_MS);
    },
  };
}

/** @param {Preferences} change @param {() => void} [done] @returns {Promise<boolean>} whether it was kept; says so where not */
export async function prefer(change, done) {
  try {
    store.become(await changeProfile({ preferences: change }));
    done?.();
    return true;
  } catch (error) {
    toast(`That was not saved. ${words(error)}`);
    return false;
  }
}

/**
 * @param {string} testid
 * @param {string} name
 * @param {string} about
 * @param {() => boolean} now
 * @param {(on: boolean) => Promise<unknown>} change
 */
export function switchLine(testid, name, about, now, change) {
  const id = `${testid}-name`;
  const control = toggle(testid, id, async (on) => {
    control.set(on);
    await change(on);
    control.set(now());
  });
  control.set(now());
  const detail = h("span", { class: "sub" }, about);
  return { element: h("div", { class: "switch-line" }, h("div", { class: "txts" }, h("b", { id }, name), detail), control.element), control, detail };
}

/** @param {string} label @param {string} text @param {string} testid @param {string} [done] */
export function copyLine(label, text, testid, done = "Copied.") {
  const field = h("input", { class: "field mono", value: text, readOnly: true, "aria-label": label, data: { testid } });
  field.addEventListener("focus", () => field.select());
  const button = h("button", { type: "button", class: "btn", "aria-label": `Copy: ${label}`, on: { click: () => void copy(text, done) } }, icon("link", 20), "Copy");
  return h("div", { class: "line" }, h("span", { class: "small-label" }, label), h("span", { class: "copyline" }, field, button));
}

/** @param {string} words_ */
export const about = (words_) => h("p", { class: "sub about" }, words_);

/**
 * A list that is asked for, with words while it comes and where it does not.
 * @template T
 * @param {() => Promise<{ items: T[] }>} get
 * @param {(item: T, again: () => Promise<void>) => HTMLElement} row
 * @param {string} none
 */
export function asked(get, row, none) {
  const status = h("p", { class: "sub", role: "status" }, "Loading…");
  const list = h("ul", { class: "list tight" });
  const element = h("div", null, status, list);
  async function load() {
    try {
      const { items } = await get();
      list.replaceChildren(...items.map((item) => row(item, load)));
      say(status, items.length > 0 ? "" : none);
    } catch (error) {
      say(status, words(error));
    }
  }
  void load();
  return { element, load };
}
