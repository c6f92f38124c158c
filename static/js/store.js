/** What the page knows of the server: who one is, its settings, the streams on air. Kept current by events. */

import { getConfig, getMe } from "./api.js";
import { Emitter } from "./emitter.js";
import { Events } from "./events.js";
import { getAuth } from "./people/api.js";

/** @typedef {import("./types.js").Stream} Stream */
/** @typedef {import("./types.js").Envelope} Envelope */
/**
 * @typedef {{ stream: Stream, at: number, lostAt: number, vanished?: boolean }} Known
 * A stream, when it was as said (`Date.now()`: the clock that goes on while a laptop sleeps), since when its publisher
 * is away, 0 while there is one, and whether the server ceased to tell of it without saying that it has ended.
 */

class Store extends Emitter {
  constructor() {
    super();
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.events = new Events(`${scheme}://${location.host}/api/v1/events`);
    /** @type {import("./types.js").Auth} */
    this.auth = { accounts: false, registration: "closed", first: false, signed_in: false };
    /** Null for whoever has not signed in. @type {import("./types.js").Me | null} */
    this.me = null;
    /** @type {import("./types.js").Config | null} */
    this.config = null;
    /** @type {Map<string, Known>} */
    this.known = new Map();
    this.loaded = false;
  }

  /** Resolves when the page knows whose it is; fails with an `ApiError`. */
  async load() {
    this.auth = await getAuth();
    const known = !this.auth.accounts || this.auth.signed_in;
    [this.me, this.config] = await Promise.all([known ? getMe() : null, getConfig()]);
    this.changed();
  }

  /** @returns {boolean} whether one has signed in, to a server on which there are others */
  get social() {
    return this.auth.accounts && this.me !== null;
  }

  /** @param {import("./types.js").Me} me as one is now */
  become(me) {
    this.me = { ...this.me, ...me };
    this.changed();
  }

  /** @param {{ owner?: import("./types.js").Owner, you_own?: boolean }} thing @returns {boolean} whether it is one's own */
  owns(thing) {
    if (!this.auth.accounts) return true;
    return thing.owner ? thing.owner.id === this.me?.id : thing.you_own === true;
  }

  follow() {
    this.events.subscribe("streams", (event) => this.onStreams(event));
    this.events.subscribe("system", (event) => this.onSystem(event));
    this.events.watch(() => this.changed());
    this.events.start();
  }

  /** @returns {Stream[]} on air or waiting for their publisher, newest first */
  get onAir() {
    return [...this.known.values()]
      .map(({ stream }) => stream)
      .filter((stream) => stream.state === "live" || stream.state === "reconnecting")
      .sort((a, b) => b.started_at.localeCompare(a.started_at));
  }

  /** @param {string} slug @returns {Stream | null} the channel's stream, the running one first, else the latest known */
  ofChannel(slug) {
    const streams = [...this.known.values()].map(({ stream }) => stream).filter((stream) => stream.channel.slug === slug);
    streams.sort((a, b) => b.started_at.localeCompare(a.started_at));
    return streams.find((stream) => stream.state !== "ended") ?? streams[0] ?? null;
  }

  /** @param {string} id */
  stream(id) {
    return this.known.get(id)?.stream ?? null;
  }

  /** @param {string} id @returns {boolean} whether nobody has said what became of a stream */
  vanished(id) {
    return this.known.get(id)?.vanished === true;
  }

  /** @param {string} id @returns {number} the stream's position now, seconds */
  position(id) {
    const known = this.known.get(id);
    if (!known) return 0;
    const running = known.stream.state !== "ended";
    return known.stream.duration_s + (running ? (Date.now() - known.at) / 1000 : 0);
  }

  /** @param {string} id @returns {{ waited: number, left: number } | null} seconds, while the stream waits for its publisher */
  away(id) {
    const known = this.known.get(id);
    if (!known?.lostAt) return null;
    const until = known.stream.reconnect_by ? Date.parse(known.stream.reconnect_by) : 0;
    return { waited: Math.max(0, Date.now() - known.lostAt) / 1000, left: Math.max(0, until - this.events.now()) / 1000 };
  }

  /** @param {Stream} stream as it is now */
  set(stream) {
    this.known.set(stream.id, { stream, at: Date.now(), lostAt: this.lostAt(stream) });
  }

  /** @param {Stream} stream @returns {number} `Date.now()` */
  lostAt(stream) {
    if (stream.state !== "reconnecting") return 0;
    const before = this.known.get(stream.id);
    if (before?.lostAt) return before.lostAt;
    if (before?.stream.state === "live" || !stream.reconnect_by) return Date.now();
    // Whoever comes later reads it off the end of the wait.
    const since = Date.parse(stream.reconnect_by) - 1000 * (this.config?.reconnect_s ?? 0) - this.events.ahead;
    return Math.min(Date.now(), since);
  }

  /** @param {Stream} stream */
  learn(stream) {
    const before = this.known.get(stream.id)?.stream;
    if (before?.state === "ended" && stream.state !== "ended" && !this.vanished(stream.id)) return;
    // Answers and events cross: what was said at an earlier moment of the stream is known better by now.
    if (before?.state === "live" && stream.state === "live" && stream.duration_s < before.duration_s) return;
    // The event of the end and an answer that was written before it may cross: a stream never gets shorter.
    const duration = stream.state === "ended" ? Math.max(stream.duration_s, before?.duration_s ?? 0) : stream.duration_s;
    this.set({ ...stream, duration_s: duration });
    this.changed();
  }

  /** @param {Envelope} event */
  onStreams(event) {
    if (event.type === "snapshot") this.snapshot(event.data.items);
    else if (event.type === "listeners") this.patch(event.data.id, event.data);
    else if (event.type === "recording_told") this.recorded(event.data);
    else if (event.type === "degraded" || event.type === "recovered") this.trouble(event);
    else if (event.type.startsWith("stream_")) this.learn(event.data);
  }

  /** @param {Stream[]} items */
  snapshot(items) {
    const present = new Set(items.map((stream) => stream.id));
    for (const [id, { stream, at }] of this.known) {
      if (!present.has(id) && stream.state !== "ended") {
        const seconds = stream.duration_s + (Date.now() - at) / 1000;
        this.known.set(id, { stream: { ...stream, state: "ended", duration_s: seconds }, at: Date.now(), lostAt: 0, vanished: true });
      }
    }
    for (const stream of items) this.set(stream);
    this.loaded = true;
    this.changed();
  }

  /** What only its owner is told of how a stream is kept. @param {{ stream: string, on: boolean, detail: string }} told */
  recorded({ stream, on, detail }) {
    const known = this.stream(stream);
    if (known) this.patch(stream, { recording: { ...known.recording, on, detail } });
  }

  /** @param {Envelope} event */
  trouble(event) {
    const { stream, stage, detail } = event.data;
    const known = stream ? this.stream(stream) : null;
    if (!known) return;
    if (stage === "recording") this.patch(stream, { recording: { ...known.recording, on: event.type === "recovered", detail } });
    if (stage !== "denoise") return;
    const { denoise } = known;
    this.patch(stream, { denoise: { ...denoise, state: event.type === "degraded" ? "degraded" : "ok", detail } });
  }

  /** @param {string} id @param {Partial<Stream>} change without a duration: the clock goes on */
  patch(id, change) {
    const known = this.known.get(id);
    if (!known) return;
    this.known.set(id, { ...known, stream: { ...known.stream, ...change } });
    this.changed();
  }

  /** @param {Envelope} event */
  onSystem(event) {
    if (!this.config || !event.data) return;
    const { denoise, captions } = event.data;
    if (denoise) this.config.denoise = { ...this.config.denoise, ...denoise };
    if (captions) this.config.captions = captions;
    this.changed();
  }
}

export const store = new Store();

/** @returns {import("./types.js").Preferences} what one's account says; empty where there are no accounts */
export const preferred = () => store.me?.preferences ?? {};
