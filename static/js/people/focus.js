/** Lists are drawn anew when something changes; whoever uses a keyboard stays where they were. */

/** @param {Element} element @returns {string} what it is, in a list of people or groups */
function nameOf(element) {
  const data = element instanceof HTMLElement ? element.dataset : {};
  const row = element.closest("[data-person], [data-key]");
  const of = row instanceof HTMLElement ? (row.dataset["person"] ?? row.dataset["key"]) : "";
  return `${element.tagName} ${data["testid"] ?? ""} ${of}`;
}

/** @param {Element} place @param {() => void} draw replaces what is in it */
export function redraw(place, draw) {
  const held = document.activeElement;
  const inside = held && place.contains(held) ? held : null;
  const name = inside ? nameOf(inside) : "";
  draw();
  if (!inside || place.contains(inside)) return;
  const same = [...place.querySelectorAll("a, button")].find((one) => nameOf(one) === name);
  if (same instanceof HTMLElement) same.focus({ preventScroll: true });
}
