/** From a list into a collection: which of them hold a recording, and a new one. */

import { words } from "../api.js";
import { h, icon, say } from "../dom.js";
import { store } from "../store.js";
import { toast } from "../toast.js";
import { addCollection, getCollection, getCollections, orderCollection } from "./api.js";

/** @typedef {import("./api.js").Collection} Collection */

/**
 * @param {string} collection id
 * @param {string} recording id
 * @returns {Promise<boolean>} whether it was put there: it may have been there before
 */
export async function put(collection, recording) {
  const ids = ((await getCollection(collection)).recordings ?? []).map(({ id }) => id);
  if (ids.includes(recording)) return false;
  await orderCollection(collection, [...ids, recording]);
  return true;
}

/** @param {{ id: string, title: string }} recording */
export function collecting(recording) {
  const opener = h("button", { type: "button", class: "item", "aria-expanded": "false", data: { testid: "collect" } }, icon("folder", 20), "Add to a collection");
  const status = h("p", { class: "sub", role: "status" });
  const list = h("div");
  const field = h("input", { class: "field", placeholder: "New collection", maxLength: 200, "aria-label": "Name of a new collection", dir: "auto", data: { testid: "collect-new" } });
  const add = h("button", { type: "submit", class: "btn", "aria-label": "Make the collection and add it" }, icon("plus", 20));
  const form = h("form", { class: "collect-new" }, field, add);
  const panel = h("div", { class: "collect", hidden: true }, list, form, status);

  /** @param {Collection} collection */
  async function into({ id, title }) {
    try {
      say(status, (await put(id, recording.id)) ? `Added to “${title}”.` : `It is in “${title}” already.`);
    } catch (error) {
      toast(`It was not added to “${title}”. ${words(error)}`);
    }
  }
  async function load() {
    try {
      const items = (await getCollections()).items.filter((one) => store.owns(one));
      list.replaceChildren(...items.map((one) => h("button", { type: "button", class: "item", data: { testid: "collect-into" }, on: { click: () => void into(one) } }, h("span", { dir: "auto" }, one.title))));
    } catch (error) {
      say(status, words(error));
    }
  }
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const title = field.value.trim();
    if (!title) return field.focus();
    try {
      const made = await addCollection(title);
      field.value = "";
      await into(made);
      await load();
    } catch (error) {
      toast(words(error));
    }
  });
  /** @param {boolean} open */
  const set = (open) => {
    panel.hidden = !open;
    opener.setAttribute("aria-expanded", String(open));
    say(status, "");
    if (open) void load();
  };
  opener.addEventListener("click", () => set(Boolean(panel.hidden)));
  return { element: h("div", null, opener, panel), /** As it is when the menu opens. */ open: () => set(false) };
}
