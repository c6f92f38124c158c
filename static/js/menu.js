/** A button with a card of further choices, closed by Escape, by a press elsewhere, or when the focus leaves it. */

import { h } from "./dom.js";

/**
 * @param {HTMLButtonElement} opener
 * @param {string} label
 * @param {...HTMLElement} items
 */
export function menu(opener, label, ...items) {
  const card = h("div", { class: "menu", role: "group", "aria-label": label, hidden: true }, ...items);
  const element = h("div", { class: "has-menu" }, opener, card);
  opener.setAttribute("aria-expanded", "false");

  const outside = (/** @type {Event} */ event) => {
    if (event.target instanceof Node && !element.contains(event.target)) set(false);
  };
  const set = (/** @type {boolean} */ open) => {
    card.hidden = !open;
    opener.setAttribute("aria-expanded", String(open));
    opener.classList.toggle("pressed", open);
    if (open) document.addEventListener("pointerdown", outside, true);
    else document.removeEventListener("pointerdown", outside, true);
  };
  opener.addEventListener("click", () => set(Boolean(card.hidden)));
  element.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || card.hidden) return;
    event.stopPropagation();
    set(false);
    opener.focus();
  });
  element.addEventListener("focusout", (event) => {
    if (event.relatedTarget instanceof Node && !element.contains(event.relatedTarget)) set(false);
  });
  return { element, card, close: () => set(false) };
}
