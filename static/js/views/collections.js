/** Collections: recordings that belong together, in an order that one gives them. */

import { ApiError, words } from "../api.js";
import { h, icon, say } from "../dom.js";
import { editableTitle } from "../editable.js";
import { count } from "../format.js";
import { addCollection, changeCollection, getCollection, getCollections, orderCollection, removeCollection } from "../library/api.js";
import { finishing } from "../library/finishing.js";
import { ordering } from "../library/ordering.js";
import { libraryHead } from "../library/places.js";
import { item, row } from "../library/row.js";
import { empty } from "../parts.js";
import { accessChoice } from "../people/access.js";
import { field, form } from "../people/fields.js";
import { redraw } from "../people/focus.js";
import { later } from "../people/undo.js";
import { player } from "../player/player.js";
import { go } from "../router.js";
import { store } from "../store.js";
import { toast } from "../toast.js";
import { missingView } from "./missing.js";

/** @typedef {import("../library/api.js").Collection} Collection */
/** @typedef {import("../library/api.js").Found} Found */

/** Deleted in a moment. @type {Set<string>} */
const leaving = new Set();

/** @param {Collection} collection */
function line(collection) {
  const { id, title, description, count: many, owner } = collection;
  const whose = store.owns(collection) ? "" : (owner?.display_name ?? "");
  return h("li", { data: { testid: "collection", key: id } }, icon("folder"), h("div", { class: "txts" }, h("b", null, h("a", { href: `/collections/${encodeURIComponent(id)}`, dir: "auto" }, title)), h("span", { class: "sub", dir: "auto" }, [whose, count(many, "recording"), description].filter(Boolean).join(" · "))));
}

/** @returns {import("../types.js").View} */
export function collectionsView() {
  const status = h("p", { class: "sub", role: "status" }, "Loading…");
  const place = h("div");
  const name = field({ name: "new-collection", label: "New collection", most: 200, missing: "Type a name, “Kitchen table” say." });
  const adding = form({
    testid: "add-collection",
    fields: [name],
    submit: "Make it",
    quiet: true,
    async send() {
      const made = await addCollection(name.value);
      go(`/collections/${encodeURIComponent(made.id)}`);
    },
  });
  adding.element.classList.add("inline");
  async function load() {
    try {
      const items = (await getCollections()).items.filter(({ id }) => !leaving.has(id));
      say(status, "");
      place.replaceChildren(items.length > 0 ? h("ul", { class: "list" }, items.map(line)) : empty("No collections yet", "A collection holds recordings that belong together, in the order that you give them: a series, a trip, everything about one thing. Make one below, then add recordings from the list."));
    } catch (error) {
      say(status, words(error));
    }
  }
  void load();
  return { element: h("div", { class: "col library" }, libraryHead("/collections", "Collections"), status, place, adding.element), title: "Collections" };
}

/**
 * @param {string} id
 * @returns {Promise<import("../types.js").View>}
 */
export async function collectionView(id) {
  try {
    return show(await getCollection(id));
  } catch (error) {
    const gone = error instanceof ApiError && error.status === 404;
    return gone ? missingView("There is no such collection", "It may have been deleted.") : missingView("The collection did not load", words(error));
  }
}

/** @param {Collection} collection @param {boolean} own */
function describing({ id, description }, own) {
  if (!own) return description ? h("p", { class: "bio", dir: "auto" }, description) : null;
  const area = h("textarea", { class: "field area", rows: 2, maxLength: 2000, dir: "auto", value: description, placeholder: "What it is about", "aria-label": "Description", data: { testid: "collection-description" } });
  area.addEventListener("change", () => {
    changeCollection(id, { description: area.value.trim() }).catch((error) => toast(`The description was not saved. ${words(error)}`));
  });
  return area;
}

/** @param {Collection} collection @param {boolean} own */
function heading(collection, own) {
  const { id, title, owner } = collection;
  const back = h("a", { class: "btn quiet back-to", href: "/collections" }, icon("left", 20), "Collections");
  if (!own) return h("header", { class: "rc-head" }, h("div", { class: "txts" }, back, h("h1", { dir: "auto" }, title), h("p", { class: "sub", dir: "auto" }, owner?.display_name ?? "")));
  const name = editableTitle({ text: title, label: "this collection", testid: "collection-title", save: (text) => changeCollection(id, { title: text }) });
  const gone = h("button", { type: "button", class: "btn p-icon", "aria-label": "Delete the collection", data: { testid: "collection-delete" } }, icon("trash", 20), h("span", { class: "desk" }, "Delete"));
  gone.addEventListener("click", () => {
    leaving.add(id);
    go("/collections");
    const undone = () => {
      leaving.delete(id);
      go(`/collections/${encodeURIComponent(id)}`);
    };
    void later(`The collection “${name.element.textContent ?? title}” is deleted; its recordings stay.`, (now) => removeCollection(id, now), undone);
  });
  return h("header", { class: "rc-head" }, h("div", { class: "txts" }, back, name.element), h("div", { class: "acts" }, gone));
}

/** @param {Collection} collection @returns {import("../types.js").View} */
function show(collection) {
  /** @type {Found[]} */
  let recordings = collection.recordings ?? [];
  const own = store.owns(collection);
  const access = own && store.social ? accessChoice(() => ({ kind: "collections", id: collection.id })) : null;
  access?.show();
  const status = h("p", { class: "sub", role: "status" });
  const list = h("ul", { class: "list ordered", data: { testid: "ordered" } });
  const place = h("div");
  const order = ordering(list, { keys: () => recordings.map(({ id }) => id), change: (ids) => void put(ids) });
  /** @type {ReturnType<typeof row>[]} */
  let rows = [];

  /** @param {string[]} ids in their new order */
  async function put(ids) {
    const before = recordings;
    recordings = ids.flatMap((id) => before.find((one) => one.id === id) ?? []);
    draw();
    try {
      await orderCollection(collection.id, ids);
    } catch (error) {
      recordings = before;
      draw();
      toast(`That was not saved. ${words(error)}`);
    }
  }
  async function load() {
    recordings = (await getCollection(collection.id).catch(() => ({ recordings }))).recordings ?? [];
    draw();
  }
  /** @param {Found} recording */
  function rowOf(recording) {
    const out = item("take-out", "Take out of the collection", "close", () => void put(recordings.map(({ id }) => id).filter((id) => id !== recording.id)));
    const one = row(recording, () => void load(), { more: own ? [out] : [] });
    if (own) one.element.prepend(order.handle(recording.id, recording.title));
    return one;
  }
  function draw() {
    rows = recordings.map(rowOf);
    redraw(list, () => list.replaceChildren(...rows.map((one) => one.element)));
    rows.forEach((one) => one.show());
    order.label((id) => recordings.find((one) => one.id === id)?.title ?? "");
    say(status, recordings.length > 0 ? count(recordings.length, "recording") : "");
    if (recordings.length > 0 && place.firstChild === list) return;
    place.replaceChildren(recordings.length > 0 ? list : empty("Nothing in it yet", own ? "Add recordings from the list: each has “Add to a collection” among what can be done with it." : "Nothing that is open to you.", h("a", { class: "btn first", href: "/recordings" }, icon("list", 20), "Recordings")));
  }
  draw();
  finishing.follow();
  const stops = [player.watch(() => rows.forEach((one) => one.show())), finishing.watch(() => rows.forEach((one) => one.show()))];
  return {
    element: h("div", { class: "col library" }, heading(collection, own), describing(collection, own) ?? "", status, place, order.aloud, access?.element ?? ""),
    title: collection.title,
    leave() {
      stops.forEach((stop) => stop());
      access?.stop();
    },
  };
}
