/** The chat of one stream as the page knows it: the newest messages, and how people react just now. */

import { Emitter } from "../emitter.js";

/** @typedef {import("../types.js").ChatMessage} ChatMessage */
/** @typedef {import("../types.js").Envelope} Envelope */

/** Messages that are kept; the oldest go. */
export const MOST = 300;
/** How long a reaction is seen. */
const SEEN_MS = 4000;

export class ChatModel extends Emitter {
  /** @param {import("../events.js").Events} events */
  constructor(events) {
    super();
    this.events = events;
    /** @type {string | null} */
    this.stream = null;
    this.unsubscribe = () => {};
    this.unread = 0;
    this.clear();
  }

  clear() {
    /** In the order in which they were written. @type {Map<string, ChatMessage>} */
    this.messages = new Map();
    /** How many of each reaction are seen just now. @type {Map<string, number>} */
    this.reactions = new Map();
    this.open = true;
    this.unread = 0;
  }

  /** @param {string | null} stream its id; the chat of another one is forgotten */
  follow(stream) {
    if (stream === this.stream) return;
    this.unsubscribe();
    this.unsubscribe = () => {};
    this.stream = stream;
    this.clear();
    if (stream) this.unsubscribe = this.events.subscribe(`chat:${stream}`, (event) => this.take(event));
    this.changed();
  }

  stop() {
    this.follow(null);
  }

  /** @param {Envelope} event */
  take({ type, data }) {
    if (type === "snapshot") this.snapshot(data);
    else if (type === "chat_message") this.put(data);
    else if (type === "chat_deleted") this.messages.delete(data.id);
    else if (type === "chat_state") this.open = data.open;
    else if (type === "reaction") this.react(data);
    else return;
    this.changed();
  }

  /** @param {{ open: boolean, items: ChatMessage[] }} data */
  snapshot(data) {
    this.open = data.open;
    this.messages = new Map(data.items.filter(({ kind }) => kind === "text").map((message) => [message.id, message]));
  }

  /** @param {ChatMessage} message */
  put(message) {
    if (!this.messages.has(message.id)) this.unread += 1;
    this.messages.set(message.id, message);
    for (const id of [...this.messages.keys()].slice(0, -MOST)) this.messages.delete(id);
  }

  /** @param {ChatMessage} message */
  react({ text }) {
    this.reactions.set(text, (this.reactions.get(text) ?? 0) + 1);
    setTimeout(() => {
      const left = (this.reactions.get(text) ?? 1) - 1;
      if (left > 0) this.reactions.set(text, left);
      else this.reactions.delete(text);
      this.changed();
    }, SEEN_MS);
  }

  /** Whoever looks at the chat has read it. */
  read() {
    if (this.unread === 0) return;
    this.unread = 0;
    this.changed();
  }
}
