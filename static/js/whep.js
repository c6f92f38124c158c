/**
 * Listening over WHEP, for as long as one wants to: lost connections are made again without being asked.
 */

import { ApiError } from "./api.js";
import { Backoff } from "./backoff.js";
import { Emitter } from "./emitter.js";
import { connect, disconnect, leave, stands } from "./peer.js";
import { Pulse, saidGoodbye } from "./pulse.js";

/** @typedef {"connecting" | "connected" | "retrying" | "refused" | "stopped"} ListenState */

/** Sound comes every 20 ms. */
const QUIET_MS = 4000;
/** When the event socket is gone as well, there is less reason for doubt. */
const ALONE_MS = 1500;
/** Without a stream there is nothing but checks, every 2.5 s. */
const IDLE_MS = 12_000;
const REFUSED = [400, 401, 403, 404, 415];

const RECENT = 8;

export class Listener extends Emitter {
  /**
   * @param {string} url
   * @param {RTCIceServer[]} iceServers
   * @param {() => boolean} expectsSound whether sound should be arriving now
   * @param {() => boolean} reachable whether the server is known to be there
   */
  constructor(url, iceServers, expectsSound, reachable) {
    super();
    this.url = url;
    this.iceServers = iceServers;
    this.expectsSound = expectsSound;
    this.reachable = reachable;
    /** @type {ListenState} */
    this.state = "connecting";
    this.attempts = 0;
    this.problem = "";
    /** @type {MediaStream | null} */
    this.media = null;
    /** When it was lost, `Date.now()`; 0 while it is well. */
    this.lostAt = 0;
    this.backoff = new Backoff(400, 4000);
    this.stopping = new AbortController();
    /** @type {import("./peer.js").Session | null} */
    this.session = null;
    /** Ids of the latest sessions: what is told of one may come when it is over already. @type {string[]} */
    this.sessions = [];
    window.addEventListener("online", () => this.backoff.hurry(), { signal: this.stopping.signal });
    // A page that is closed takes its listener off the count at once; the server would take half a minute to miss it.
    window.addEventListener("pagehide", () => this.session && leave(this.session), { signal: this.stopping.signal });
  }

  async run() {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      const pause = await this.attempt(signal);
      if (signal.aborted || this.state === "refused") return;
      this.attempts += 1;
      this.lostAt ||= Date.now();
      this.become("retrying");
      await this.backoff.wait(pause);
    }
  }

  /**
   * One connection from offer to end.
   * @param {AbortSignal} signal
   * @returns {Promise<number>} milliseconds the server wants to be left alone
   */
  async attempt(signal) {
    const connection = new RTCPeerConnection({ iceServers: this.iceServers, bundlePolicy: "max-bundle" });
    connection.addTransceiver("audio", { direction: "recvonly" });
    connection.ontrack = ({ track, streams }) => {
      this.media = streams[0] ?? new MediaStream([track]);
      this.changed();
    };
    try {
      this.session = await connect(connection, this.url, signal, null, "stereo=1");
      this.sessions = [...this.sessions, this.session.id].slice(-RECENT);
      await stands(connection, signal);
    } catch (error) {
      connection.close();
      return this.failed(error);
    }
    this.arrived();
    const pulse = new Pulse(connection);
    await pulse.lost(() => this.patience(), signal);
    pulse.stop();
    // Where the server said goodbye, there is nobody left to answer ours.
    if (saidGoodbye(connection)) connection.close();
    else void disconnect(this.session);
    return 0;
  }

  /** @returns {number} milliseconds */
  patience() {
    if (!this.expectsSound()) return IDLE_MS;
    return this.reachable() ? QUIET_MS : ALONE_MS;
  }

  /** @param {unknown} error @returns {number} */
  failed(error) {
    if (!(error instanceof ApiError)) return 0;
    this.problem = error.message;
    if (REFUSED.includes(error.status)) this.become("refused");
    return (error.retryAfter ?? 0) * 1000;
  }

  arrived() {
    this.attempts = this.lostAt = 0;
    this.backoff.reset();
    this.problem = "";
    this.become("connected");
  }

  /** @param {ListenState} state */
  become(state) {
    this.state = state;
    this.changed();
  }

  stop() {
    this.stopping.abort();
    this.backoff.hurry();
    this.become("stopped");
  }
}
