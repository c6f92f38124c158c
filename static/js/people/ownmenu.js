/** Oneself, at the foot of the rail: one's page, settings, signing out. */

import { words } from "../api.js";
import { h, icon } from "../dom.js";
import { menu } from "../menu.js";
import { store } from "../store.js";
import { publisher } from "../studio/publisher.js";
import { toast } from "../toast.js";
import { signOut } from "./api.js";
import { enter } from "./door.js";
import { face } from "./faces.js";

/** Sign out here, and leave nothing of oneself on the page. */
export async function leave() {
  if (publisher.onAir) return toast("You are live. Stop the stream first, then sign out.");
  try {
    await signOut();
    enter("/sign-in");
  } catch (error) {
    toast(words(error));
  }
  return undefined;
}

export function ownMenu() {
  const { me } = store;
  if (!me) return null;
  const opener = h("button", { type: "button", class: "fr me", "aria-label": `You: ${me.display_name}`, data: { testid: "own-menu" } }, face(me, "", 32));
  const page = h("a", { class: "item", href: `/people/${encodeURIComponent(me.id)}` }, icon("people", 20), "Your page");
  const settings = h("a", { class: "item", href: "/settings" }, icon("sliders", 20), "Settings");
  const admin = h("a", { class: "item", href: "/admin", hidden: !me.administrator, data: { testid: "to-admin" } }, icon("key", 20), "Administration");
  const out = h("button", { type: "button", class: "item", data: { testid: "sign-out" }, on: { click: () => void leave() } }, icon("door", 20), "Sign out");
  const { element, card, close } = menu(opener, "You", h("p", { class: "sub", dir: "auto" }, me.display_name), page, settings, admin, out);
  card.classList.add("up");
  for (const one of [page, settings, admin]) one.addEventListener("click", close);
  return element;
}
