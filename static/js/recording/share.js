/** Who may hear a recording, and links to it: to its beginning, or to the moment that plays. */

import { h, icon } from "../dom.js";
import { clock, here } from "../format.js";
import { menu } from "../menu.js";
import { player } from "../player/player.js";
import { store } from "../store.js";
import { copy, toast } from "../toast.js";

/** @param {string} id of the recording @param {boolean} own @param {() => boolean} holds whether it is what the player holds */
export function sharing(id, own, holds) {
  const opener = h("button", { type: "button", class: "btn p-icon", "aria-label": "Share", data: { testid: "share" } }, icon("share", 20), h("span", { class: "desk" }, "Share"));
  /** @type {ReturnType<typeof import("../people/access.js").accessChoice> | null} */
  let access = null;
  const place = h("div", { hidden: !own || !store.social });
  const showAccess = async () => {
    try {
      const { accessChoice } = await import("../people/access.js");
      access ??= accessChoice(() => ({ kind: "recordings", id }), "may-hear in-menu");
      place.replaceChildren(access.element);
      access.show();
    } catch {
      toast("Who may hear did not load. Check your connection and open this again.");
    }
  };
  const address = (/** @type {number} */ at) => new URL(`/recordings/${encodeURIComponent(id)}${at > 0 ? `?at=${Math.floor(at)}` : ""}`, location.href).href;
  const told = here() ? "Address copied. It opens on this computer only." : "Address copied.";
  const whole = h("button", { type: "button", class: "btn wide", data: { testid: "copy-address" }, on: { click: () => void copy(address(0), told) } }, icon("link", 20), "Copy the address");
  const words = h("span");
  const moment = h("button", { type: "button", class: "btn wide", data: { testid: "copy-moment" }, on: { click: () => void copy(address(player.position), told) } }, icon("link", 20), words);
  const card = menu(opener, "Share", place, h("div", { class: "menu-acts" }, whole, moment));
  card.element.classList.add("sharing");
  opener.addEventListener("click", () => {
    const at = holds() ? player.position : 0;
    moment.hidden = at < 1;
    words.textContent = `Copy the address of ${clock(at)}`;
    if (!place.hidden) void showAccess();
  });
  return { element: card.element, leave: () => access?.stop() };
}
