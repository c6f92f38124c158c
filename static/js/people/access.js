/** Who may hear a channel, a stream or a recording: the choice, and what belongs to it. */

import { words } from "../api.js";
import { h, icon, say } from "../dom.js";
import { here } from "../format.js";
import { store } from "../store.js";
import { copy, toast } from "../toast.js";
import { getAccess, getGroups, newLink, setAccess } from "./api.js";
import { ACCESS_WORDS, accessRadios } from "./accesswords.js";
import { byName, face } from "./faces.js";
import { redraw } from "./focus.js";
import { friends } from "./friends.js";
import { whole } from "./inviting.js";

/** @typedef {import("../types.js").Access} Access */
/** @typedef {import("../types.js").AccessState} AccessState */
/** @typedef {{ kind: import("./api.js").Kind, id: string }} Target */

/** @type {Access[]} */
const CHOICES = ["friends", "group", "selected", "link", "public", "private"];
const NEAR = "Link copied. It opens on this computer only. For others, start the server with `--host 0.0.0.0 --tls self-signed` and copy it from the address that it prints.";

/** What one has chosen for one thing at a time; told to the server as it changes. */
class Choice {
  /** @param {() => void} changed */
  constructor(changed) {
    this.changed = changed;
    /** @type {Target | null} */
    this.target = null;
    /** @type {AccessState | null} */
    this.state = null;
    /** @type {import("../types.js").Group[]} */
    this.groups = [];
    this.problem = "";
    this.turn = 0;
  }

  /** @param {Target | null} target */
  async follow(target) {
    if (target?.id === this.target?.id && target?.kind === this.target?.kind) return;
    this.target = target;
    // What was chosen before stays to be seen until the other is known: mostly it is the same.
    if (target) await this.load();
  }

  async load() {
    const { target } = this;
    const mine = ++this.turn;
    if (!target) return;
    try {
      const [state, groups] = await Promise.all([getAccess(target.kind, target.id), getGroups()]);
      if (mine !== this.turn) return;
      [this.state, this.groups, this.problem] = [state, groups.items, ""];
    } catch (error) {
      if (mine === this.turn) this.problem = words(error);
    }
    this.changed();
  }

  /** @param {Partial<AccessState>} change */
  async change(change) {
    const { target, state: before } = this;
    if (!target || !before) return;
    const mine = ++this.turn;
    this.state = { ...before, ...change };
    this.changed();
    const { access, people, groups, locked } = this.state;
    try {
      const now = await setAccess(target.kind, target.id, { access, people, groups, locked });
      if (mine === this.turn) this.state = now;
    } catch (error) {
      if (mine === this.turn) this.state = before;
      toast(`Who may hear was not changed. ${words(error)}`);
    }
    this.changed();
  }

  async renewLink() {
    const { target } = this;
    if (!target) return;
    try {
      const { link } = await newLink(target.kind, target.id);
      if (this.state) this.state = { ...this.state, link };
      toast("There is a new link. The one before opens nothing any more.");
    } catch (error) {
      toast(words(error));
    }
    this.changed();
  }
}

/** @param {string} testid @param {string} label @param {{ id: string, name: string, picture: HTMLElement | null }[]} all @param {string[]} chosen @param {(ids: string[]) => void} change */
function chips(testid, label, all, chosen, change) {
  return h("div", { class: "chips", role: "group", "aria-label": label }, all.map(({ id, name, picture }) => {
    const on = chosen.includes(id);
    const chip = h("button", { type: "button", class: "chip", "aria-pressed": String(on), data: { testid, key: id } }, picture, h("span", { dir: "auto" }, name));
    chip.addEventListener("click", () => change(on ? chosen.filter((one) => one !== id) : [...chosen, id]));
    return chip;
  }));
}

/** @param {string} text @param {string} label */
const elsewhere = (text, label) => h("p", { class: "sub" }, text, " ", h("a", { class: "txt", href: "/friends" }, label));

/** @param {Choice} choice */
function particulars(choice) {
  const { state, groups } = choice;
  if (state?.access === "selected") {
    const people = friends.list.sort(byName).map((person) => ({ id: person.id, name: person.display_name, picture: face(person, "", 28) }));
    if (people.length === 0) return elsewhere("You have no friends here yet.", "Find some");
    return chips("may-hear-person", "Who", people, state.people, (ids) => void choice.change({ people: ids }));
  }
  if (state?.access === "group") {
    if (groups.length === 0) return elsewhere("You have no groups yet.", "Make one");
    const all = groups.map(({ id, name }) => ({ id, name, picture: null }));
    return chips("may-hear-group", "Which groups", all, state.groups, (ids) => void choice.change({ groups: ids }));
  }
  if (state?.access === "link" && state.link) {
    const link = whole(state.link);
    const field = h("input", { class: "field mono", value: link, readOnly: true, "aria-label": "Link", data: { testid: "access-link" } });
    field.addEventListener("focus", () => field.select());
    const take = h("button", { type: "button", class: "btn", data: { testid: "copy-access-link" } }, icon("link", 20), "Copy");
    take.addEventListener("click", () => void copy(link, here() ? NEAR : "Link copied. Whoever has it can listen."));
    const renew = h("button", { type: "button", class: "btn quiet", data: { testid: "new-access-link" } }, "New link");
    renew.addEventListener("click", () => void choice.renewLink());
    return h("span", { class: "copyline" }, field, take, renew);
  }
  return null;
}

/** @param {Choice} choice @returns {string} */
function aboutWords({ target, state, problem }) {
  if (!state) return problem || "Loading…";
  if (state.access === "selected" && state.people.length === 0) return "Choose somebody. Until then nobody but you hears it.";
  if (state.access === "group" && state.groups.length === 0) return "Choose a group. Until then nobody but you hears it.";
  if (state.access === "friends" && friends.loaded && friends.people.size === 0) return "You have no friends here yet, so nobody hears it.";
  if (state.access === "friends" && (target?.kind === "channels" || target?.kind === "streams")) return `${ACCESS_WORDS.friends.about} They are told when you go live.`;
  return ACCESS_WORDS[state.access].about;
}

/**
 * @param {() => Target | null} target what it is about, now
 * @param {string} [look] class of the element
 */
export function accessChoice(target, look = "card may-hear") {
  const choice = new Choice(() => draw());
  const radios = accessRadios("may-hear", CHOICES, (access) => void choice.change({ access }));
  const about = h("p", { class: "sub", role: "status", data: { testid: "may-hear-words" } });
  const more = h("div", { class: "particulars" });
  const element = h("section", { class: look, "aria-label": "Who may hear" }, h("div", { class: "txts" }, h("h2", null, "Who may hear"), about), h("div", { class: "choosing" }, radios.element, more));
  let drawn = "";

  function draw() {
    const { state, groups } = choice;
    radios.disable(!state);
    if (state) radios.set(state.access);
    say(about, aboutWords(choice));
    const people = state?.access === "selected" ? friends.list.map(({ id, display_name, avatar }) => [id, display_name, avatar]) : [];
    const key = JSON.stringify([state, groups, people]);
    if (key === drawn) return;
    drawn = key;
    const now = particulars(choice);
    redraw(more, () => more.replaceChildren(...(now ? [now] : [])));
  }
  const unwatch = friends.watch(draw);
  return {
    element,
    choice,
    /** Look again at what it is about. */
    show() {
      element.hidden = !store.social;
      if (store.social) void choice.follow(target());
    },
    /** @returns {string} who hears it, for the line beside LIVE */
    heard: () => (choice.state ? ACCESS_WORDS[choice.state.access].heard : "People can hear you"),
    stop: unwatch,
  };
}
