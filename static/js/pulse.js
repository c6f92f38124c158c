/**
 * Whether anything still comes through a connection. ICE takes many seconds to notice that it is cut off, and a machine
 * that slept does not notice at all: its timers stand still, while the wall clock goes on.
 */

import { Emitter } from "./emitter.js";

const LOOK_MS = 500;

/** @param {RTCPeerConnection} connection @returns {Promise<number>} grows with everything that comes: sound, reports, checks */
async function arrivals(connection) {
  let count = 0;
  for (const report of (await connection.getStats()).values()) {
    if (report.type === "candidate-pair") count += (report.bytesReceived ?? 0) + (report.responsesReceived ?? 0);
  }
  return count;
}

/** @param {RTCPeerConnection} connection @returns {boolean} whether the other side closed it */
export function saidGoodbye(connection) {
  return [...connection.getSenders(), ...connection.getReceivers()].some(({ transport }) => transport?.state === "closed");
}

export class Pulse extends Emitter {
  /** @param {RTCPeerConnection} connection which stands */
  constructor(connection) {
    super();
    this.connection = connection;
    this.count = -1;
    this.heardAt = Date.now();
    this.timer = setInterval(() => void this.look(), LOOK_MS);
    connection.addEventListener("connectionstatechange", () => this.changed());
  }

  /** @returns {boolean} whether it is beyond hope */
  get dead() {
    return ["failed", "closed"].includes(this.connection.connectionState) || saidGoodbye(this.connection);
  }

  /** @returns {number} milliseconds of the wall clock since something came; infinite once it is dead */
  get quiet() {
    return this.dead ? Infinity : Date.now() - this.heardAt;
  }

  async look() {
    if (this.connection.connectionState === "closed") this.stop();
    const count = await arrivals(this.connection);
    if (count !== this.count) this.heardAt = Date.now();
    this.count = count;
    this.changed();
  }

  /**
   * @param {() => number} patience milliseconds of quiet that are borne
   * @param {AbortSignal} signal ends the waiting
   * @returns {Promise<void>} when it was quiet for longer than that
   */
  lost(patience, signal) {
    return new Promise((resolve) => {
      /** @type {() => void} */
      let unwatch = () => {};
      const done = () => {
        unwatch();
        resolve();
      };
      if (signal.aborted) return done();
      signal.addEventListener("abort", done, { once: true });
      let first = true;
      unwatch = this.watch(() => {
        if (first) first = false;
        else if (this.quiet > patience()) done();
      });
      return undefined;
    });
  }

  stop() {
    clearInterval(this.timer);
    this.listeners.clear();
  }
}
