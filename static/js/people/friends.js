/** One's friends, kept current by events: who is here, who is live, who asks. */

import { Emitter } from "../emitter.js";
import { store } from "../store.js";
import { byPresence } from "./faces.js";

/** @typedef {import("../types.js").Person} Person */

class Friends extends Emitter {
  constructor() {
    super();
    /** @type {Map<string, Person>} */
    this.people = new Map();
    /** @type {Person[]} who would like to be one's friend */
    this.received = [];
    /** @type {Person[]} whom one has asked */
    this.sent = [];
    this.loaded = false;
    /** Friends that are let go in a moment, unless one changes one's mind. @type {Set<string>} */
    this.leaving = new Set();
  }

  follow() {
    store.events.subscribe("friends", (event) => this.heed(event));
  }

  /** @returns {Person[]} whoever is live first, then whoever is here */
  get list() {
    return [...this.people.values()].filter(({ id }) => !this.leaving.has(id)).sort(byPresence);
  }

  /** @param {string} id */
  get(id) {
    return this.leaving.has(id) ? null : (this.people.get(id) ?? null);
  }

  /** @param {import("../types.js").Envelope} event */
  heed({ type, data }) {
    if (type === "snapshot") this.snapshot(data);
    else if (type === "presence") this.presence(data);
    else if (type === "friend_request") this.received = [data.person, ...without(this.received, data.person.id)];
    else if (type === "friend_added") this.add(data.person);
    else if (type === "friend_changed") this.changeFace(data);
    else if (type === "friend_removed") this.remove(data.id);
    else if (type === "requests") [this.received, this.sent] = [data.received, data.sent];
    this.changed();
  }

  /** @param {{ items: Person[], requests: { received: Person[], sent: Person[] } }} data */
  snapshot({ items, requests }) {
    this.people = new Map(items.map((person) => [person.id, person]));
    this.received = requests.received;
    this.sent = requests.sent;
    this.loaded = true;
  }

  /** @param {Pick<Person, "id" | "presence" | "live">} now */
  presence({ id, presence, live }) {
    const person = this.people.get(id);
    if (person) this.people.set(id, { ...person, presence, live });
  }

  /** @param {Person} person */
  add(person) {
    this.people.set(person.id, { ...person, relation: "friend" });
    this.settled(person.id);
  }

  /** @param {Pick<Person, "id" | "name" | "display_name" | "avatar" | "bio">} face somebody has another name or picture */
  changeFace(face) {
    const person = this.people.get(face.id);
    if (person) this.people.set(face.id, { ...person, ...face });
  }

  /** @param {string} id */
  remove(id) {
    this.people.delete(id);
    this.settled(id);
  }

  /** There is no open request any more between oneself and @param {string} id */
  settled(id) {
    this.received = without(this.received, id);
    this.sent = without(this.sent, id);
    this.changed();
  }

  /** @param {Person} person whom one has asked */
  asked(person) {
    this.sent = [{ ...person, relation: "requested" }, ...without(this.sent, person.id)];
    this.changed();
  }
}

/** @param {Person[]} people @param {string} id */
function without(people, id) {
  return people.filter((person) => person.id !== id);
}

export const friends = new Friends();
