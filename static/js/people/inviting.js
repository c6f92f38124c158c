/** One link for one person who is not here yet. */

import { words } from "../api.js";
import { h, icon } from "../dom.js";
import { copy, toast } from "../toast.js";
import { store } from "../store.js";
import { invite } from "./api.js";

/** @param {string} link with or without the server's address */
export const whole = (link) => new URL(link, location.href).href;

/** @param {() => void} [made] @param {string} [look] */
export function inviteButton(made, look = "btn") {
  const closed = store.auth.registration === "closed";
  const button = h("button", { type: "button", class: look, hidden: closed, data: { testid: "invite" } }, icon("link", 20), h("span", null, "Copy invitation"));
  button.addEventListener("click", async () => {
    try {
      const { link } = await invite();
      await copy(whole(link ?? "/register"), "Invitation copied. Send it to one friend: it works once, and not for ever.");
      made?.();
    } catch (error) {
      toast(words(error));
    }
  });
  return button;
}
