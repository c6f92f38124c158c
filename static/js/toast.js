/** Short notes at the bottom, with what can be done about them. */

import { byId, h, tell } from "./dom.js";

const SHOWN_MS = 10_000;

/** @typedef {{ label: string, act: () => void }} Action */

/**
 * @param {string} text
 * @param {Action | Action[]} [action] one of them, or a choice
 * @param {number} [ms]
 */
export function toast(text, action, ms = SHOWN_MS) {
  const line = h("span", { dir: "auto" });
  tell(line, text);
  const note = h("div", { class: "toast", data: { testid: "toast" } }, line);
  const remove = () => note.remove();
  for (const one of action ? [action].flat() : []) {
    const act = () => {
      remove();
      one.act();
    };
    note.append(h("button", { type: "button", class: "btn quiet", on: { click: act } }, one.label));
  }
  const box = byId("toasts");
  while (box.children.length > 2) box.firstElementChild?.remove();
  box.append(note);
  let timer = setTimeout(remove, ms);
  // Whoever is on it, by pointer or by key, gets the time to read and press.
  for (const type of ["pointerenter", "focusin"]) note.addEventListener(type, () => clearTimeout(timer));
  for (const type of ["pointerleave", "focusout"]) {
    note.addEventListener(type, () => {
      clearTimeout(timer);
      timer = setTimeout(remove, ms / 2);
    });
  }
}

/** @param {string} text to the clipboard @param {string} done what to say then */
export async function copy(text, done) {
  try {
    await navigator.clipboard.writeText(text);
    toast(done, undefined, done.length > 60 ? SHOWN_MS : 4000);
  } catch {
    // No clipboard without HTTPS: show it, selected, to be copied by hand.
    const field = h("input", { class: "field", value: text, readOnly: true, "aria-label": "Link" });
    const note = h("div", { class: "toast" }, h("span", null, "Copy this link:"), field);
    byId("toasts").append(note);
    field.select();
    field.addEventListener("blur", () => note.remove());
  }
}
