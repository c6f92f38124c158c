/** Friends: who they are, who asks, whom one could ask; groups of them; who is blocked. */

import { words } from "../api.js";
import { h, icon, say } from "../dom.js";
import { empty } from "../parts.js";
import { getBlocks, searchPeople } from "../people/api.js";
import { bondButtons } from "../people/bonds.js";
import { personRow, presenceWords } from "../people/faces.js";
import { redraw } from "../people/focus.js";
import { friends } from "../people/friends.js";
import { groupsPart } from "../people/groups.js";
import { inviteButton } from "../people/inviting.js";
import { notices } from "../people/notices.js";

/** @typedef {import("../types.js").Person} Person */

const PAUSE_MS = 250;

/** @param {Person} person @returns {Person} as one stands to them by now */
function current(person) {
  const { id } = person;
  const known = friends.get(id);
  if (known) return { ...person, ...known, relation: "friend" };
  if (friends.received.some((one) => one.id === id)) return { ...person, relation: "asks" };
  if (friends.sent.some((one) => one.id === id)) return { ...person, relation: "requested" };
  const open = ["friend", "asks", "requested"].includes(person.relation) && friends.loaded;
  return open ? { ...person, relation: "none" } : person;
}

const ABOUT = { none: "", friend: "Your friend", requested: "Has not answered yet", asks: "Would like to be your friend", blocked: "Blocked", self: "You" };

/** @param {Person} person @param {() => void} done */
function foundRow(person, done) {
  const now = current(person);
  return personRow(now, [`@${now.name}`, ABOUT[now.relation]].filter(Boolean).join(" · "), ...bondButtons(now, done));
}

function search() {
  const input = h("input", { class: "field", id: "find-people", type: "search", autocomplete: "off", maxLength: 80, dir: "auto", placeholder: "Name", data: { testid: "find-people" } });
  const status = h("p", { class: "sub", role: "status" });
  const list = h("ul", { class: "list tight", data: { testid: "found" } });
  /** @type {Person[]} */
  let found = [];
  let timer = 0;
  let turn = 0;
  const show = () => list.replaceChildren(...found.map((person) => foundRow(person, look)));
  async function look() {
    const text = input.value.trim();
    const mine = ++turn;
    try {
      const items = text ? (await searchPeople(text)).items : [];
      if (mine !== turn) return;
      found = items;
      say(status, text && items.length === 0 ? "Nobody by that name. Names are found from their beginning; who is not here yet can be invited." : "");
    } catch (error) {
      if (mine === turn) say(status, words(error));
    }
    show();
  }
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = window.setTimeout(() => void look(), PAUSE_MS);
  });
  const element = h("section", { class: "find" }, h("label", { class: "small-label", htmlFor: "find-people" }, "Find people"), h("span", { class: "with-icon" }, icon("search", 20), input), status, list);
  return { element, input, show };
}

/** @param {string} testid @param {string} title */
function part(testid, title) {
  const list = h("ul", { class: "list tight" });
  const element = h("section", { class: "part", hidden: true, data: { testid } }, h("h2", null, title), list);
  return {
    element,
    /** @param {HTMLElement[]} rows */
    show(rows) {
      element.hidden = rows.length === 0;
      list.replaceChildren(...rows);
    },
  };
}

/** @param {HTMLInputElement} input */
function none(input) {
  const find = h("button", { type: "button", class: "btn first", on: { click: () => input.focus() } }, icon("search", 20), "Find people");
  return empty("You have no friends here yet", "Friends hear you when you go live, and you hear them. Find somebody by name, or send an invitation to somebody who is not here yet.", find, inviteButton());
}

/** @returns {import("../types.js").View} */
export function friendsView() {
  const finding = search();
  const [received, sent, blocked] = [part("received", "Would like to be your friends"), part("sent", "Have not answered yet"), part("blocked", "Blocked")];
  const list = h("ul", { class: "list tight", data: { testid: "friends" } });
  const place = h("div");
  const groups = groupsPart();
  const bell = h("a", { class: "btn icon quiet phone-only", href: "/notices", "aria-label": "News" }, icon("bell", 24));
  const head = h("header", { class: "hm-head mid" }, h("h1", null, "Friends"), h("div", { class: "row gap" }, bell, inviteButton()));
  const element = h("div", { class: "col people" }, head, received.element, finding.element, place, sent.element, groups.element, blocked.element);

  const loadBlocked = () => getBlocks().then(({ items }) => blocked.show(items.map((person) => personRow({ ...person, relation: "blocked", presence: null }, `@${person.name}`, ...bondButtons({ ...person, relation: "blocked" }, () => void loadBlocked())))), () => undefined);
  const drawn = () => {
    show();
    void loadBlocked();
  };
  function show() {
    // What somebody is about to press stays where it is.
    if (element.querySelector(".has-menu [aria-expanded=true]")) return;
    redraw(element, lists);
    groups.show();
  }
  function lists() {
    bell.classList.toggle("news", notices.unread > 0);
    received.show(friends.received.map((person) => personRow({ ...person, relation: "asks" }, `@${person.name}`, ...bondButtons({ ...person, relation: "asks" }, drawn))));
    sent.show(friends.sent.map((person) => personRow({ ...person, relation: "requested" }, `@${person.name}`, ...bondButtons({ ...person, relation: "requested" }, drawn))));
    const people = friends.list;
    list.replaceChildren(...people.map((person) => personRow(person, presenceWords(person), listenButton(person), ...bondButtons({ ...person, relation: "friend" }, drawn))));
    if (friends.loaded) place.replaceChildren(people.length > 0 ? list : none(finding.input));
    finding.show();
  }
  const unwatch = [friends.watch(show), notices.watch(show)];
  void loadBlocked();
  void groups.load();
  return { element, title: "Friends", leave: () => unwatch.forEach((stop) => stop()) };
}

/** @param {Person} person */
function listenButton({ live, display_name: name }) {
  if (!live) return null;
  return h("a", { class: "btn", href: `/listen/${encodeURIComponent(live.slug)}`, "aria-label": `Listen to ${name}` }, icon("play", 20), h("span", null, "Listen"));
}
