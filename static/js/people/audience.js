/** Who listens to one's stream: seen, removed, banned, and whether anybody new is let in. */

import { words } from "../api.js";
import { h, icon, say } from "../dom.js";
import { listening, relative } from "../format.js";
import { menu } from "../menu.js";
import { toggle } from "../parts.js";
import { store } from "../store.js";
import { toast } from "../toast.js";
import { getBans, getListeners, removeListener, setBan } from "./api.js";
import { face } from "./faces.js";
import { friends } from "./friends.js";

/** @typedef {import("./api.js").Listener} Listener */
/** @typedef {import("../types.js").Owner} Owner */

const FACES = 4;
const MOST = 100;

/** @param {Owner | null} person */
const nameOf = (person) => person?.display_name ?? "Somebody with the link";

/** @param {Owner | null} person with the picture where it is a friend */
const picture = (person) => face({ display_name: nameOf(person), avatar: friends.get(person?.id ?? "")?.avatar ?? null }, "", 36);

/** @param {string} testid @param {string} label @param {string} name of the icon @param {() => void} click */
function iconButton(testid, label, name, click) {
  return h("button", { type: "button", class: "btn icon quiet", "aria-label": label, title: label, data: { testid }, on: { click } }, icon(name, 20));
}

/** @param {Owner} person @param {() => void} letIn */
function bannedRow(person, letIn) {
  const again = h("button", { type: "button", class: "btn", data: { testid: "let-in" }, on: { click: letIn } }, "Let in again");
  return h("li", { class: "person", data: { testid: "banned" } }, picture(person), h("div", { class: "txts" }, h("b", { dir: "auto" }, person.display_name)), again);
}

/** Who is there, as the server told last, and what is done about them. */
class Listeners {
  /** @param {import("../studio/publisher.js").Publisher} publisher @param {() => void} changed */
  constructor(publisher, changed) {
    this.publisher = publisher;
    this.changed = changed;
    /** @type {Listener[]} */
    this.items = [];
    /** @type {Owner[]} */
    this.banned = [];
  }

  get slug() {
    return store.me?.channel ?? "";
  }

  /** @param {boolean} whole whether those who are not let in are asked for as well */
  async load(whole) {
    const stream = this.publisher.streamId;
    if (!stream || !store.social) return;
    const [now, bans] = await Promise.all([getListeners(stream).catch(() => null), whole ? getBans(this.slug).catch(() => null) : null]);
    if (stream !== this.publisher.streamId) return;
    if (now) this.items = now.items;
    if (bans) this.banned = bans.items.map(({ person }) => person);
    this.changed();
  }

  /** @param {() => Promise<unknown>} what */
  async act(what) {
    await what().catch((error) => toast(words(error)));
    await this.load(true);
  }

  /** @param {Listener} listener */
  remove({ peer, person }) {
    void this.act(async () => {
      await removeListener(this.publisher.streamId ?? "", peer);
      toast(`${nameOf(person)} does not hear you any more, unless they come back.`);
    });
  }

  /** @param {Owner} person */
  ban(person) {
    void this.act(async () => {
      await setBan(this.slug, person.id, true);
      toast(`${person.display_name} is not let in again.`, { label: "Undo", act: () => this.letIn(person) });
    });
  }

  /** @param {Owner} person */
  letIn(person) {
    void this.act(() => setBan(this.slug, person.id, false));
  }

  /** @param {Listener} listener */
  row(listener) {
    const { person, since } = listener;
    const name = nameOf(person);
    const out = iconButton("remove-listener", `Remove ${name}`, "close", () => this.remove(listener));
    const ban = person ? iconButton("ban-listener", `Remove ${name}, and do not let them in again`, "ban", () => this.ban(person)) : null;
    return h("li", { class: "person", data: { testid: "listener" } }, picture(person), h("div", { class: "txts" }, h("b", { dir: "auto" }, name), h("span", { class: "sub" }, `since ${relative(since)}`)), out, ...(ban ? [ban] : []));
  }
}

/**
 * @param {import("../studio/publisher.js").Publisher} publisher
 * @param {ReturnType<typeof import("./access.js").accessChoice>} access
 */
export function audience(publisher, access) {
  const listeners = new Listeners(publisher, () => draw());
  const count = h("b", { data: { testid: "listeners" } });
  const faces = h("span", { class: "avs", "aria-hidden": "true" });
  const opener = h("button", { type: "button", class: "hear open", data: { testid: "audience" } }, faces, count);
  const list = h("ul", { class: "list tight", data: { testid: "audience-list" } });
  const status = h("p", { class: "sub", role: "status" });
  const lock = toggle("lock", "lock-name", (on) => void access.choice.change({ locked: on }));
  const locking = h("div", { class: "switch-line" }, h("div", { class: "txts" }, h("b", { id: "lock-name" }, "Let nobody new in"), h("span", { class: "sub" }, "Who listens already stays.")), lock.element);
  const banned = h("div", { class: "banned" });
  const panel = menu(opener, "Who listens", locking, status, list, banned);
  panel.card.classList.add("audience");
  let seen = "";
  let timer = 0;

  function draw() {
    faces.replaceChildren(...listeners.items.slice(0, FACES).map(({ person }) => picture(person)));
    if (panel.card.hidden) return;
    say(status, listeners.items.length === 0 ? "Nobody is listening yet." : "");
    list.replaceChildren(...listeners.items.slice(0, MOST).map((one) => listeners.row(one)));
    const rows = listeners.banned.map((person) => bannedRow(person, () => listeners.letIn(person)));
    banned.replaceChildren(...(rows.length > 0 ? [h("h3", null, "Not let in"), h("ul", { class: "list tight" }, rows)] : []));
  }
  opener.addEventListener("click", () => {
    draw();
    void listeners.load(true);
  });
  return {
    element: panel.element,
    show() {
      const heard = publisher.stream?.listeners ?? 0;
      say(count, listening(heard));
      opener.disabled = !store.social;
      const { state } = access.choice;
      lock.set(state?.locked ?? false, state !== null);
      opener.classList.toggle("locked", state?.locked ?? false);
      const key = `${publisher.streamId} ${heard}`;
      if (key === seen) return;
      seen = key;
      if (!publisher.streamId) listeners.items = [];
      clearTimeout(timer);
      timer = window.setTimeout(() => void listeners.load(!panel.card.hidden), 300);
    },
    stop: () => clearTimeout(timer),
  };
}
