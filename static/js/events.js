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
const LOOK_MS = 1000;
/** After a restart of the server everybody comes back; not all at the same moment. */
const RESTART_MS = 2500;
const SERVICE_RESTART = 1012;
const POLICY = 1008;

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
    this.backoff = new Backoff(500, 8000);
    this.heardAt = 0;
    /** Whether the server has said that it goes down, to come back. */
    this.closing = false;
    /** What to do when the server wants nothing more to do with whoever this is. */
    this.shut = () => {};
    /** How far the server's clock is ahead of this machine's, milliseconds. */
    this.ahead = 0;
  }

  /** @param {() => void} act after every connection that was made again */
  whenBack(act) {
    let before = this.connected;
    this.watch(() => {
      const back = this.connected && !before;
      before = this.connected;
      if (back) act();
    });
  }

  /** @returns {number} the server's time, milliseconds since 1970 */
  now() {
    return Date.now() + this.ahead;
  }

  start() {
    window.addEventListener("online", () => this.backoff.hurry());
    window.addEventListener("offline", () => this.socket?.close());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.backoff.hurry();
    });
    // By the wall clock: after a laptop's sleep a connection is dead, though its timers have hardly moved.
    setInterval(() => this.look(), LOOK_MS);
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
    this.heardAt = Date.now();
    socket.onopen = () => this.opened();
    socket.onmessage = (message) => this.received(String(message.data));
    socket.onclose = ({ code }) => void this.lost(socket, code);
  }

  opened() {
    this.connected = true;
    this.closing = false;
    const topics = [...this.topics].map(([topic, { epoch, seq }]) => ({ topic, epoch, seq }));
    if (topics.length > 0) this.send({ type: "subscribe", topics });
    this.changed();
  }

  /** @param {string} text */
  received(text) {
    this.heardAt = Date.now();
    this.backoff.reset();
    /** @type {Envelope} */
    const event = JSON.parse(text);
    if (event.time) this.ahead = Date.parse(event.time) - Date.now();
    if (event.type === "server_closing") {
      this.closing = true;
      this.changed();
    }
    const topic = event.topic ? this.topics.get(event.topic) : undefined;
    if (!topic) return;
    topic.epoch = event.epoch ?? topic.epoch;
    topic.seq = event.seq ?? topic.seq;
    for (const handler of [...topic.handlers]) handler(event);
  }

  /** @param {WebSocket} socket @param {number} [code] */
  async lost(socket, code) {
    if (this.socket !== socket) return;
    this.socket = null;
    this.connected = false;
    this.changed();
    if (code === POLICY) this.shut();
    await this.backoff.wait(code === SERVICE_RESTART ? Math.random() * RESTART_MS : 0);
    this.connect();
  }

  look() {
    const { socket } = this;
    if (!socket || Date.now() - this.heardAt < SILENT_MS) return;
    socket.close();
    // A dead network keeps `close` waiting for an answer; go on without it.
    void this.lost(socket);
  }

  /** @param {unknown} message */
  send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }
}
