/**
 * The connection of a talker to the server: watched, made again by itself, moved to another network without a gap.
 *
 * Make before break: the old connection sends until sound flows through the new one. Where the old one recovers while
 * new ones fail, it stays.
 */

import { answers, ApiError } from "../api.js";
import { Backoff } from "../backoff.js";
import { Emitter } from "../emitter.js";
import { Pulse, saidGoodbye } from "../pulse.js";

/** @typedef {import("../whip.js").Link} Link */

/** The server reports once a second what it has received. */
const QUIET_MS = 3500;
const WELL_MS = 2500;
/** A network that has just come often goes again. */
const SETTLE_MS = 300;
/** Who was replaced by another window is told of it within this. */
const GOODBYE_MS = 600;
const FLOW_MS = 2000;
/** An offer that a dead network swallows is missed for seconds; a question is not, and several are under way at once. */
const ASK_MS = 400;
const ASK_LIMIT_MS = 1600;
/** How long an attempt asks before it counts as failed. */
const ASKING_MS = 4000;
const FINAL = [400, 401, 403, 404, 409, 413, 415];

/** @param {number} milliseconds */
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

export class Line extends Emitter {
  /** @param {(signal: AbortSignal) => Promise<Link>} dial fails with an `ApiError` */
  constructor(dial) {
    super();
    this.dial = dial;
    /** @type {Link | null} */
    this.link = null;
    /** @type {Pulse | null} */
    this.pulse = null;
    this.renewing = false;
    this.attempts = 0;
    /** When it was lost, `Date.now()`; 0 while it is well. */
    this.lostAt = 0;
    /** Why the last attempt failed, in words. */
    this.problem = "";
    this.backoff = new Backoff(400, 2500);
    this.disturb = () => {};
    window.addEventListener("online", () => this.shake());
    this.watchNetwork();
  }

  /** Telephones say when they go from one network to another. */
  watchNetwork() {
    /** @type {(EventTarget & { type?: string }) | undefined} */
    const network = Reflect.get(navigator, "connection");
    let type = network?.type;
    network?.addEventListener("change", () => {
      if (network.type !== type) this.shake();
      type = network.type;
    });
  }

  /** Something has changed: look for a better connection at once. */
  shake() {
    this.backoff.reset();
    this.backoff.hurry();
    this.disturb();
  }

  /** @returns {boolean} whether the connection that there is carries sound, as far as one can know */
  get well() {
    return this.pulse !== null && this.pulse.quiet < WELL_MS && this.pulse.connection.connectionState === "connected";
  }

  get up() {
    return this.link !== null && (!this.renewing || this.well);
  }

  /** @param {AbortSignal} signal @returns {Promise<void>} fails with an `ApiError` */
  async open(signal) {
    this.put(await this.dial(signal));
  }

  /** @param {Link} link */
  put(link) {
    this.pulse?.stop();
    this.link = link;
    this.pulse = new Pulse(link.session.connection);
    this.attempts = 0;
    this.lostAt = 0;
    this.problem = "";
    this.backoff.reset();
    this.pulse.watch(() => this.changed());
  }

  /** @param {AbortSignal} signal @returns {Promise<void>} when stopped; fails with an `ApiError` that trying again would not help */
  async keep(signal) {
    while (!signal.aborted) {
      await this.trouble(signal);
      if (!signal.aborted) await this.renew(signal);
    }
  }

  /** @param {AbortSignal} signal @returns {Promise<void>} when there is reason to look for another connection */
  async trouble(signal) {
    const over = new AbortController();
    const end = () => over.abort();
    signal.addEventListener("abort", end, { once: true });
    const shaken = new Promise((resolve) => (this.disturb = () => setTimeout(resolve, SETTLE_MS)));
    await Promise.race([shaken, this.pulse?.lost(() => QUIET_MS, over.signal)]);
    over.abort();
    this.disturb = () => {};
  }

  /** @param {AbortSignal} signal */
  async renew(signal) {
    this.renewing = true;
    this.lostAt = this.pulse?.heardAt ?? Date.now();
    this.changed();
    if (this.link && saidGoodbye(this.link.session.connection)) await pause(GOODBYE_MS);
    try {
      let done = false;
      while (!done && !signal.aborted) done = await this.attempt(signal);
    } finally {
      this.renewing = false;
      this.changed();
    }
  }

  /** @param {AbortSignal} signal @returns {Promise<boolean>} whether there is a connection again */
  async attempt(signal) {
    this.attempts += 1;
    this.changed();
    if (!(await this.reached(signal))) return signal.aborted || this.recovered();
    const old = this.link;
    try {
      this.put(await this.dial(signal));
    } catch (error) {
      if (signal.aborted) return true;
      if (!(error instanceof ApiError)) throw error;
      if (FINAL.includes(error.status)) throw error;
      this.problem = error.status > 0 || error.code === "no-media" ? error.message : "";
      this.changed();
      await this.backoff.wait((error.retryAfter ?? 0) * 1000);
      return this.recovered();
    }
    if (this.link) await flowing(this.link.session.connection);
    old?.session.connection.close();
    return true;
  }

  /**
   * Ask until the server answers: nothing is offered to a network that leads nowhere, and as soon as it leads somewhere
   * again this knows, whatever the browser says of the network.
   * @param {AbortSignal} signal
   * @returns {Promise<boolean>} whether it has answered
   */
  async reached(signal) {
    const hope = !this.well;
    let there = false;
    for (const end = Date.now() + ASKING_MS; !there && !signal.aborted && Date.now() < end; ) {
      await Promise.race([pause(ASK_MS), this.ask().then(() => (there = true))]);
      if (hope && this.well) break;
    }
    return there && !signal.aborted;
  }

  /** @returns {Promise<void>} when the server has answered, never where it does not */
  ask() {
    return new Promise((resolve) => void answers(ASK_LIMIT_MS).then((yes) => yes && resolve()));
  }

  /** @returns {boolean} whether the old connection works again */
  recovered() {
    if (!this.well) return false;
    this.lostAt = this.attempts = 0;
    this.problem = "";
    return true;
  }

  /** Let go of it, without a word. @returns {Link | null} for whoever wants to say goodbye */
  drop() {
    const { link } = this;
    this.pulse?.stop();
    this.pulse = this.link = null;
    this.attempts = this.lostAt = 0;
    this.problem = "";
    this.backoff.hurry();
    return link;
  }
}

/** @param {RTCPeerConnection} connection @returns {Promise<void>} when sound leaves through it, or should long have */
async function flowing(connection) {
  const limit = Date.now() + FLOW_MS;
  while (Date.now() < limit && connection.connectionState === "connected") {
    for (const report of (await connection.getStats()).values()) {
      if (report.type === "outbound-rtp" && report.packetsSent > 3) return;
    }
    await pause(50);
  }
}
