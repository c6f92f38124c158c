/** A list that comes in parts, with a button for the next one. */

import { words } from "../api.js";
import { h, say } from "../dom.js";

/**
 * @template T
 * @param {object} options
 * @param {(cursor: string | null) => Promise<import("./api.js").Part<T>>} options.load
 * @param {(item: T) => HTMLElement} options.row
 * @param {string} options.none what is said where there is nothing
 * @param {string} options.testid
 */
export function paged({ load, row, none, testid }) {
  const list = h("ul", { class: "list tight", data: { testid } });
  const state = h("p", { class: "sub", role: "status" });
  const more = h("button", { type: "button", class: "btn", hidden: true }, "Show more");
  /** @type {string | null} */
  let cursor = null;
  let turn = 0;

  async function next() {
    const mine = ++turn;
    more.disabled = true;
    say(state, list.childElementCount ? "" : "Loading…");
    try {
      const page = await load(cursor);
      if (mine !== turn) return;
      list.append(...page.items.map((item) => row(item)));
      cursor = page.next;
      say(state, list.childElementCount ? "" : none);
    } catch (error) {
      if (mine === turn) say(state, words(error));
    }
    more.disabled = false;
    more.hidden = cursor === null;
  }
  more.addEventListener("click", () => void next());
  /** Begin anew, with another search say. */
  const again = () => {
    cursor = null;
    list.replaceChildren();
    return next();
  };
  return { element: h("div", { class: "paged" }, list, state, more), again };
}
