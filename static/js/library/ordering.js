/**
 * A list whose rows are put in another order: a handle is dragged by pointer or finger, or moved with the arrow keys.
 * Each row has a handle of its own; where it has come to is said aloud.
 */

import { h, icon, say } from "../dom.js";

/**
 * @typedef {object} Ordered
 * @property {() => string[]} keys in their present order
 * @property {(keys: string[]) => void} change
 */

/** @param {string[]} keys @param {number} from @param {number} to @returns {string[]} */
export function moved(keys, from, to) {
  const rest = keys.filter((_, at) => at !== from);
  const key = keys[from];
  return key === undefined ? keys : [...rest.slice(0, to), key, ...rest.slice(to)];
}

/**
 * A row follows the pointer, the others make room.
 * @param {HTMLElement} row
 * @param {PointerEvent} begun on its handle
 * @param {HTMLElement} handle
 * @param {(to: number) => void} dropped
 */
function drag(row, begun, handle, dropped) {
  const rows = /** @type {HTMLElement[]} */ ([...(row.parentElement?.children ?? [])]);
  const from = rows.indexOf(row);
  const middles = rows.map((one) => one.getBoundingClientRect()).map((box) => box.top + box.height / 2 + window.scrollY);
  const height = row.getBoundingClientRect().height;
  const start = begun.clientY + window.scrollY;
  let to = from;
  const move = (/** @type {PointerEvent} */ event) => {
    const by = event.clientY + window.scrollY - start;
    const at = (middles[from] ?? 0) + by;
    to = middles.filter((middle, index) => index !== from && middle < at).length;
    rows.forEach((one, index) => {
      const aside = index > from && index <= to ? -height : index < from && index >= to ? height : 0;
      one.style.setProperty("--dy", `${index === from ? by : aside}px`);
    });
  };
  const end = (/** @type {Event} */ event) => {
    handle.removeEventListener("pointermove", move);
    handle.removeEventListener("pointerup", end);
    handle.removeEventListener("pointercancel", end);
    row.classList.remove("lifted");
    rows.forEach((one) => one.style.removeProperty("--dy"));
    if (event.type === "pointerup") dropped(to);
  };
  begun.preventDefault();
  handle.focus();
  handle.setPointerCapture(begun.pointerId);
  row.classList.add("lifted");
  handle.addEventListener("pointermove", move);
  handle.addEventListener("pointerup", end);
  handle.addEventListener("pointercancel", end);
}

/** @param {HTMLUListElement} list whose rows have `data-key` @param {Ordered} ordered */
export function ordering(list, { keys, change }) {
  const aloud = h("p", { class: "aloud", role: "status" });
  const rowOf = (/** @type {string} */ key) => /** @type {HTMLElement | undefined} */ ([...list.children].find((one) => one instanceof HTMLElement && one.dataset["key"] === key));

  /** @param {string} key @param {number} to @param {string} title */
  function put(key, to, title) {
    const all = keys();
    const from = all.indexOf(key);
    const place = Math.max(0, Math.min(all.length - 1, to));
    if (from < 0 || from === place) return;
    change(moved(all, from, place));
    say(aloud, `${title} is number ${place + 1} of ${all.length} now.`);
  }

  return {
    aloud,
    /** @param {string} key @param {string} title @returns {HTMLButtonElement} */
    handle(key, title) {
      const element = h("button", { type: "button", class: "btn icon quiet grip", title: "Drag, or move with the arrow keys", data: { testid: "grip" } }, icon("grip", 22));
      element.addEventListener("pointerdown", (event) => {
        const row = rowOf(key);
        if (row && event.button === 0) drag(row, event, element, (to) => put(key, to, title));
      });
      element.addEventListener("keydown", (event) => {
        const at = keys().indexOf(key);
        const to = { ArrowUp: at - 1, ArrowDown: at + 1, Home: 0, End: keys().length - 1 }[event.key];
        if (to === undefined) return;
        event.preventDefault();
        put(key, to, title);
      });
      return element;
    },
    /** Say of each handle where its row is. @param {(key: string) => string} titleOf */
    label(titleOf) {
      const all = keys();
      for (const [at, key] of all.entries()) rowOf(key)?.querySelector(".grip")?.setAttribute("aria-label", `Move ${titleOf(key)}, number ${at + 1} of ${all.length}; arrow keys move it`);
    },
  };
}
