/**
 * Listening over WHEP, for as long as one wants to: lost connections are made again without being asked.
 */

import { ApiError } from "./api.js";
import { Backoff } from "./backoff.js";
import { Emitter } from "./emitter.js";
import { broken, connect, disconnect, leave } from "./peer.js";

/** @typedef {"connecting" | "connected" | "retrying" | "refused" | "stopped"} ListenState */

const STALLED_MS = 6000;

export class Listener extends Emitter {
  /**
   * @param {string} url
   * @param {RTCIceServer[]} iceServers
   * @param {() => boolean} expectsSound whether sound should be arriving now
   */
  constructor(url, iceServers, expectsSound) {
    super();
    this.url = url;
    this.iceServers = iceServers;
    this.expectsSound = expectsSound;
    /** @type {ListenState} */
    this.state = "connecting";
    this.attempts = 0;
    this.problem = "";
    /** @type {MediaStream | null} */
    this.media = null;
    this.backoff = new Backoff(400, 8000);
    this.stopping = new AbortController();
    /** @type {import("./peer.js").Session | null} */
    this.session = null;
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
    connection.addEventListener("connectionstatechange", () => {
      if (connection.connectionState === "connected") this.arrived();
    });
    try {
      this.session = await connect(connection, this.url, signal);
      this.watchStall(connection, signal);
      await broken(connection, 2500, signal);
    } catch (error) {
      connection.close();
      return this.failed(error);
    }
    // Where the server said goodbye, there is nobody left to answer ours.
    if (saidGoodbye(connection)) connection.close();
    else await disconnect(this.session);
    return 0;
  }

  /** @param {unknown} error @returns {number} */
  failed(error) {
    if (!(error instanceof ApiError)) return 0;
    this.problem = error.message;
    if ([400, 401, 403, 404, 415].includes(error.status)) this.become("refused");
    return (error.retryAfter ?? 0) * 1000;
  }

  arrived() {
    this.attempts = 0;
    this.backoff.reset();
    this.problem = "";
    this.become("connected");
  }

  /**
   * A connection may look alive while nothing comes through it.
   * @param {RTCPeerConnection} connection
   * @param {AbortSignal} signal
   */
  watchStall(connection, signal) {
    let packets = -1;
    let since = performance.now();
    const timer = setInterval(async () => {
      if (signal.aborted || connection.connectionState === "closed") return clearInterval(timer);
      const received = await packetsReceived(connection);
      const now = performance.now();
      if (received !== packets || !this.expectsSound()) since = now;
      packets = received;
      if (now - since > STALLED_MS) connection.close();
      if (now - since > STALLED_MS) connection.dispatchEvent(new Event("connectionstatechange"));
      return undefined;
    }, 1000);
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

/** @param {RTCPeerConnection} connection @returns {boolean} whether the other side closed it */
function saidGoodbye(connection) {
  return connection.getReceivers().some(({ transport }) => transport?.state === "closed");
}

/** @param {RTCPeerConnection} connection */
async function packetsReceived(connection) {
  let packets = 0;
  for (const report of (await connection.getStats()).values()) {
    if (report.type === "inbound-rtp") packets += report.packetsReceived ?? 0;
  }
  return packets;
}
