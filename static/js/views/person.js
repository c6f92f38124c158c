/** One person: who they are, whether they are live, what they have recorded, and how one stands to them. */

import { ApiError, getRecordings, words } from "../api.js";
import { h, icon, say } from "../dom.js";
import { liveTag } from "../parts.js";
import { player } from "../player/player.js";
import { store } from "../store.js";
import { getPerson } from "../people/api.js";
import { bondButtons } from "../people/bonds.js";
import { face, presenceWords, ringOf } from "../people/faces.js";
import { redraw } from "../people/focus.js";
import { friends } from "../people/friends.js";
import { missingView } from "./missing.js";
import { row as recordingRow } from "../library/row.js";

/** @typedef {import("../types.js").Person} Person */

const HOW = { none: "", friend: "Your friend", requested: "Has not answered your request yet", asks: "Would like to be your friend", blocked: "You have blocked this person: neither of you sees the other.", self: "This is you, as your friends see you." };

/** @param {Person} person @param {() => void} done */
function heading(person, done) {
  const here = presenceWords(person);
  const facts = h("p", { class: "sub facts" }, h("span", null, `@${person.name}`), here && person.presence !== "live" ? h("span", { data: { testid: "presence" } }, here) : null, HOW[person.relation] ? h("span", null, HOW[person.relation]) : null);
  const own = person.relation === "self" ? [h("a", { class: "btn", href: "/settings/profile" }, icon("pencil", 20), h("span", null, "Change your profile"))] : bondButtons(person, done);
  return h("header", { class: "who-head" }, face(person, ringOf(person), 80), h("div", { class: "txts" }, h("h1", { dir: "auto", data: { testid: "person-name" } }, person.display_name), facts), h("div", { class: "row gap acts" }, ...own));
}

/** @param {Person} person */
function liveCard({ live, display_name: name }) {
  if (!live) return null;
  const listen = h("a", { class: "btn first", href: `/listen/${encodeURIComponent(live.slug)}`, data: { testid: "listen" } }, icon("play", 20), "Listen");
  return h("section", { class: "card onair-card", data: { testid: "person-live" } }, h("div", { class: "txts" }, h("div", { class: "meta" }, liveTag("live")), h("h2", { dir: "auto" }, live.title || `${name} is live`)), listen);
}

/** @param {Person} person */
function channelCard({ channel, live, relation, display_name: name }) {
  if (!channel || live) return null;
  const why = relation === "self" ? "Where friends hear you. The address stays." : relation === "friend" ? `Nothing to hear just now. You are told when ${name} goes live.` : "Nothing to hear just now.";
  return h("section", { class: "card onair-card" }, h("div", { class: "txts" }, h("h2", null, "Channel"), h("p", { class: "sub" }, why)), h("a", { class: "btn", href: `/listen/${encodeURIComponent(channel)}` }, "Open"));
}

/** @param {Person} person */
function recorded(person) {
  const list = h("ul", { class: "list tight" });
  const status = h("p", { class: "sub", role: "status" });
  const element = h("section", { class: "part" }, h("h2", null, "Recordings"), status, list);
  /** @type {ReturnType<typeof recordingRow>[]} */
  let rows = [];
  async function load() {
    try {
      const { items } = await getRecordings(null, person.id);
      rows = items.map((recording) => recordingRow(recording, () => void load()));
      list.replaceChildren(...rows.map((one) => one.element));
      rows.forEach((one) => one.show());
      say(status, items.length > 0 ? "" : person.relation === "self" ? "What you record appears here." : "Nothing that is open to you.");
    } catch (error) {
      say(status, words(error));
    }
  }
  return { element, load, show: () => rows.forEach((one) => one.show()) };
}

/**
 * @param {string} id
 * @returns {Promise<import("../types.js").View>}
 */
export async function personView(id) {
  /** @type {Person} */
  let person;
  try {
    person = await getPerson(id);
  } catch (error) {
    const gone = error instanceof ApiError && error.status === 404;
    return gone ? missingView("There is nobody here", "The account may have been deleted, or is not open to you.") : missingView("The page did not load", words(error));
  }
  const place = h("div");
  const kept = recorded(person);
  const element = h("div", { class: "col people" }, place, kept.element);
  let left = false;

  const again = async () => {
    // Whoever has blocked one is not there any more.
    person = await getPerson(id).catch(() => ({ ...person, relation: /** @type {const} */ ("none"), presence: null, live: null }));
    if (!left) draw();
  };
  const draw = () => {
    if (element.querySelector(".has-menu [aria-expanded=true]")) return;
    const now = merged(person);
    const cards = [liveCard(now), channelCard(now)].filter((one) => one !== null);
    const bio = now.bio ? h("p", { class: "bio", dir: "auto", data: { testid: "bio" } }, now.bio) : null;
    const parts = [heading(now, () => void again()), bio, ...cards].filter((one) => one !== null);
    redraw(place, () => place.replaceChildren(...parts));
  };
  let before = "";
  const heed = () => {
    const now = merged(person);
    const key = JSON.stringify([now.relation, now.presence, now.live]);
    if (key === before) return;
    before = key;
    draw();
  };
  draw();
  void kept.load();
  const unwatch = [friends.watch(heed), player.watch(() => kept.show())];
  return {
    element,
    title: person.display_name,
    leave() {
      left = true;
      unwatch.forEach((stop) => stop());
    },
  };
}

/** @param {Person} person @returns {Person} with what events have told since */
function merged(person) {
  if (person.relation === "self") return { ...person, ...ownLive(person) };
  const known = friends.get(person.id);
  if (known) return { ...person, relation: "friend", presence: known.presence, live: known.live };
  if (friends.received.some(({ id }) => id === person.id)) return { ...person, relation: "asks" };
  if (friends.sent.some(({ id }) => id === person.id)) return { ...person, relation: "requested" };
  if (friends.loaded && person.relation !== "blocked") return { ...person, relation: "none", presence: null };
  return person;
}

/** @param {Person} person */
function ownLive(person) {
  const stream = person.channel ? store.ofChannel(person.channel) : null;
  const on = stream && stream.state !== "ended";
  return { live: on ? { slug: stream.channel.slug, stream_id: stream.id, title: stream.title } : null, presence: null };
}
