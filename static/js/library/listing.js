/** A list of recordings that comes in pages and follows what happens. */

import { words } from "../api.js";
import { h, say } from "../dom.js";
import { redraw } from "../people/focus.js";
import { player } from "../player/player.js";
import { store } from "../store.js";
import { finishing } from "./finishing.js";

/** @typedef {import("./api.js").Found} Found */
/** @typedef {import("./api.js").Page} Page */

const AGAIN_MS = 3000;
/** Events come in crowds: what a crowd has changed is asked for once. */
const SETTLE_MS = 250;

/**
 * @param {object} how
 * @param {(cursor: string) => Promise<Page>} how.get
 * @param {(recording: Found, reload: () => void) => { element: HTMLElement, show: () => void }} how.row
 * @param {() => HTMLElement} how.none what stands there when there is nothing
 * @param {(page: Page) => string} how.told
 */
export function listing({ get, row, none, told }) {
  const status = h("p", { class: "sub", role: "status", data: { testid: "list-status" } }, "Loading the list…");
  const list = h("ul", { class: "list" });
  const more = h("button", { type: "button", class: "btn more-rows", hidden: true, data: { testid: "more" } }, "Show more");
  const place = h("div", null, list);
  /** @type {ReturnType<typeof row>[]} */
  let rows = [];
  /** @type {string | null} */
  let next = null;
  let turn = 0;
  let settling = 0;

  /** @param {string} [cursor] */
  async function load(cursor = "") {
    const mine = ++turn;
    try {
      const page = await get(cursor);
      if (mine !== turn) return;
      const added = page.items.map((recording) => row(recording, () => void load()));
      rows = cursor ? [...rows, ...added] : added;
      next = page.next;
      say(status, told(page));
      redraw(list, () => list.replaceChildren(...rows.map((one) => one.element)));
      // Put in anew it would lose the focus.
      if (rows.length === 0 || place.firstChild !== list) place.replaceChildren(rows.length > 0 ? list : none());
      more.hidden = !next;
      rows.forEach((one) => one.show());
      if (cursor) added[0]?.element.querySelector("a")?.focus();
    } catch (error) {
      if (mine !== turn) return;
      say(status, words(error));
      setTimeout(() => mine === turn && void load(cursor), AGAIN_MS);
    }
  }
  more.addEventListener("click", () => void load(next ?? ""));
  const busy = () => list.querySelector("input:focus, .has-menu [aria-expanded=true]") !== null;
  const soon = () => {
    clearTimeout(settling);
    settling = window.setTimeout(() => (busy() ? soon() : void load()), SETTLE_MS);
  };
  finishing.follow();
  const stops = [
    store.events.subscribe("recordings", ({ type }) => {
      if (type !== "snapshot") soon();
    }),
    player.watch(() => rows.forEach((one) => one.show())),
    finishing.watch(() => rows.forEach((one) => one.show())),
  ];
  return {
    status,
    element: h("div", null, place, more),
    load,
    leave() {
      turn += 1;
      clearTimeout(settling);
      stops.forEach((stop) => stop());
    },
  };
}
