/** Groups: named lists of friends, to say who may hear something. Nobody else sees them. */

import { words } from "../api.js";
import { h, icon } from "../dom.js";
import { toast } from "../toast.js";
import { addGroup, getGroups, removeGroup, renameGroup, setMember } from "./api.js";
import { face } from "./faces.js";
import { field, form } from "./fields.js";
import { redraw } from "./focus.js";
import { friends } from "./friends.js";
import { later } from "./undo.js";

/** @typedef {import("../types.js").Group} Group */
/** @typedef {{ change: (act: () => Promise<unknown>) => Promise<void>, remove: (group: Group) => void, opened: Set<string>, show: () => void }} Hands */

/** @param {Group} group @param {Hands} hands */
function memberChoice(group, hands) {
  const people = friends.list.sort((a, b) => a.display_name.localeCompare(b.display_name));
  if (people.length === 0) return h("p", { class: "sub" }, "Friends can be put into groups; you have none yet.");
  return h("div", { class: "chips", role: "group", "aria-label": `Who is in ${group.name}` }, people.map((person) => {
    const on = group.members.includes(person.id);
    const chip = h("button", { type: "button", class: "chip", "aria-pressed": String(on), data: { testid: "member", person: person.name } }, face(person, "", 28), h("span", { dir: "auto" }, person.display_name));
    chip.addEventListener("click", () => {
      group.members = on ? group.members.filter((id) => id !== person.id) : [...group.members, person.id];
      hands.show();
      void hands.change(() => setMember(group.id, person.id, !on));
    });
    return chip;
  }));
}

/** @param {Group} group @param {Hands} hands */
function row(group, hands) {
  const open = hands.opened.has(group.id);
  const members = friends.list.filter(({ id }) => group.members.includes(id));
  const names = members.map((person) => person.display_name).join(", ");
  const edit = h("button", { type: "button", class: "btn icon quiet", "aria-expanded": String(open), "aria-label": `Change ${group.name}`, data: { testid: "group-edit" } }, icon("pencil", 20));
  edit.addEventListener("click", () => {
    if (!hands.opened.delete(group.id)) hands.opened.add(group.id);
    hands.show();
  });
  const del = h("button", { type: "button", class: "btn icon quiet", "aria-label": `Delete ${group.name}`, data: { testid: "group-delete" }, on: { click: () => hands.remove(group) } }, icon("trash", 20));
  const head = h("div", { class: "ghead" }, h("div", { class: "txts" }, h("b", { dir: "auto" }, group.name), h("span", { class: "sub", dir: "auto" }, names || "Nobody yet")), edit, del);
  if (!open) return h("li", { class: "group", data: { testid: "group", key: group.id } }, head);
  const name = field({ name: "group-name", label: "Name", value: group.name, missing: "Type a name.", most: 80 });
  const renaming = form({ testid: "group-rename", fields: [name], submit: "Rename", quiet: true, send: () => hands.change(() => renameGroup(group.id, name.value)) });
  return h("li", { class: "group open", data: { testid: "group", key: group.id } }, head, memberChoice(group, hands), renaming.element);
}

export function groupsPart() {
  /** @type {Group[]} */
  let groups = [];
  const opened = new Set();
  const leaving = new Set();
  const list = h("ul", { class: "list tight", data: { testid: "groups" } });
  const name = field({ name: "new-group", label: "New group", most: 80, missing: "Type a name, “Family” say." });
  const hands = { change, remove, opened, show };
  const adding = form({
    testid: "add-group",
    fields: [name],
    submit: "Add",
    quiet: true,
    async send() {
      const group = await addGroup(name.value);
      name.input.value = "";
      opened.add(group.id);
      await load();
    },
  });
  adding.element.classList.add("inline");
  const element = h("section", { class: "part" }, h("h2", null, "Groups"), h("p", { class: "sub" }, "Named lists of friends, to choose who may hear something. Only you see them."), list, adding.element);

  async function load() {
    try {
      groups = (await getGroups()).items;
    } catch (error) {
      toast(words(error));
    }
    show();
  }
  /** @param {() => Promise<unknown>} act */
  async function change(act) {
    try {
      await act();
    } catch (error) {
      toast(words(error));
    }
    await load();
  }
  /** @param {Group} group */
  function remove(group) {
    leaving.add(group.id);
    show();
    const back = () => {
      leaving.delete(group.id);
      show();
    };
    void later(`The group “${group.name}” is deleted.`, (gone) => removeGroup(group.id, gone).then(() => load()), back);
  }
  function show() {
    // Whoever types a name is left alone.
    if (list.contains(document.activeElement) && document.activeElement instanceof HTMLInputElement) return;
    redraw(list, () => list.replaceChildren(...groups.filter(({ id }) => !leaving.has(id)).map((group) => row(group, hands))));
  }
  return { element, load, show };
}
