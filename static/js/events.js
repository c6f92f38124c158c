/**
 * The server's event WebSocket: one connection for the page, any number of topics, resumed by (epoch, seq).
 *
 * Every topic begins with a snapshot or with the events missed meanwhile. Without a sign of life for 25 s (the server
 * sends a heartbeat every 10 s) the connection counts as dead.
 */

import { Backoff } from "./backoff.js";
import { Emitter } from "./emitter.js";

/** @typedef {import("./types.js").Envelope} Envelope */
/** @typedef {{ handlers: Set<(event: Envelope) => void>, epoch: string | null, seq: number | null }} Topic */

const SILENT_MS = 25_000;

export class Events extends Emitter {
  /** @param {string} url */
  constructor(url) {
    super();
    this.url = url;
    this.connected = false;
    /** @type {Map<string, Topic>} */
    this.topics = new Map();
    /** @type {WebSocket | null} */
    this.socket = null;
    this.backoff = new Backoff(500, 10_000);
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.watchdog = undefined;
  }

  start() {
    window.addEventListener("online", () => this.backoff.hurry());
    window.addEventListener("offline", () => this.socket?.close());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.backoff.hurry();
    });
    this.connect();
  }

  /**
   * @param {string} name
   * @param {(event: Envelope) => void} handler
   * @returns {() => void} unsubscribes
   */
  subscribe(name, handler) {
    let topic = this.topics.get(name);
    if (!topic) {
      topic = { handlers: new Set(), epoch: null, seq: null };
      this.topics.set(name, topic);
      this.send({ type: "subscribe", topics: [{ topic: name, epoch: null, seq: null }] });
    }
    const handlers = topic.handlers.add(handler);
    return () => {
      handlers.delete(handler);
      if (handlers.size > 0 || this.topics.get(name)?.handlers !== handlers) return;
      this.topics.delete(name);
      this.send({ type: "unsubscribe", topics: [name] });
    };
  }

  connect() {
    const socket = new WebSocket(this.url);
    this.socket = socket;
    this.alive();
    socket.onopen = () => this.opened();
    socket.onmessage = (message) => this.received(String(message.data));
    socket.onclose = () => void this.lost(socket);
  }

  opened() {
    this.connected = true;
    const topics = [...this.topics].map(([topic, { epoch, seq }]) => ({ topic, epoch, seq }));
    if (topics.length > 0) this.send({ type: "subscribe", topics });
    this.changed();
  }

  /** @param {string} text */
  received(text) {
    this.alive();
    this.backoff.reset();
    /** @type {Envelope} */
    const event = JSON.parse(text);
    const topic = event.topic ? this.topics.get(event.topic) : undefined;
    if (!topic) return;
    topic.epoch = event.epoch ?? topic.epoch;
    topic.seq = event.seq ?? topic.seq;
    for (const handler of [...topic.handlers]) handler(event);
  }

  /** @param {WebSocket} socket */
  async lost(socket) {
    if (this.socket !== socket) return;
    clearTimeout(this.watchdog);
    this.socket = null;
    this.connected = false;
    this.changed();
    await this.backoff.wait();
    this.connect();
  }

  alive() {
    clearTimeout(this.watchdog);
    const socket = this.socket;
    this.watchdog = setTimeout(() => {
      socket?.close();
      // A dead network keeps `close` waiting for an answer; go on without it.
      if (socket) void this.lost(socket);
    }, SILENT_MS);
  }

  /** @param {unknown} message */
  send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }
}
