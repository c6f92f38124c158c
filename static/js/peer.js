/**
 * What WHIP (RFC 9725) and WHEP share: offer, answer, trickled candidates, goodbye.
 */

import { ApiError, request } from "./api.js";
import { withOpus } from "./sdp.js";

const GATHER_MS = 1000;
const ANSWER_MS = 5000;
const STAND_MS = 7000;
const GOODBYE_MS = 1000;
const NO_MEDIA = "The server answers, but no sound gets through to it. A firewall may block UDP; another network often helps.";
const FRAGMENT = "application/trickle-ice-sdpfrag";

/**
 * @typedef {object} Session
 * @property {RTCPeerConnection} connection
 * @property {string} resource the address that PATCH and DELETE go to
 * @property {string} id what the server calls this peer, its entity tag
 * @property {string | null} streamId
 * @property {string | null} token takes the stream over with a later offer; only publishers get one
 */

/**
 * Wait until candidates are gathered, or long enough: the rest is trickled.
 * @param {RTCPeerConnection} connection
 */
function gathered(connection) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      resolve(undefined);
    };
    const timer = setTimeout(done, GATHER_MS);
    connection.addEventListener("icegatheringstatechange", () => {
      if (connection.iceGatheringState === "complete") done();
    });
    if (connection.iceGatheringState === "complete") done();
  });
}

/**
 * @param {RTCPeerConnection} connection
 * @param {RTCIceCandidate[]} candidates
 * @param {boolean} end
 * @returns {string} RFC 8840
 */
export function iceFragment(connection, candidates, end) {
  const sdp = connection.localDescription?.sdp ?? "";
  const line = (/** @type {string} */ name) => sdp.match(new RegExp(`^a=${name}:.*$`, "m"))?.[0];
  const media = sdp.match(/^m=.*$/m)?.[0];
  const rows = [line("ice-ufrag"), line("ice-pwd"), media, line("mid"), ...candidates.map((one) => `a=${one.candidate}`)];
  if (end) rows.push("a=end-of-candidates");
  return `${rows.filter(Boolean).join("\r\n")}\r\n`;
}

/**
 * Send candidates that came after the offer had gone.
 * @param {RTCPeerConnection} connection
 * @param {string} resource
 * @param {string | null} etag
 */
function trickle(connection, resource, etag) {
  /** @type {RTCIceCandidate[]} */
  let waiting = [];
  const send = async (/** @type {boolean} */ end) => {
    const body = iceFragment(connection, waiting, end);
    waiting = [];
    const headers = { "Content-Type": FRAGMENT, ...(etag ? { "If-Match": etag } : {}) };
    // A candidate that cannot be told is one way less to connect, not an error of its own.
    await request(resource, { method: "PATCH", headers, body }).catch(() => undefined);
  };
  connection.addEventListener("icecandidate", ({ candidate }) => {
    if (candidate?.candidate) waiting.push(candidate);
    else if (candidate === null && waiting.length > 0) void send(true);
  });
}

const RESUME_TOKEN = "Clearcast-Resume-Token";

/**
 * Offer what `connection` holds to a WHIP or WHEP endpoint and take its answer.
 * @param {RTCPeerConnection} connection
 * @param {string} url
 * @param {AbortSignal} signal
 * @param {string | null} [token] of the stream that is to go on
 * @param {string} [opus] what the offer says of Opus beside the browser's own
 * @returns {Promise<Session>} fails with an `ApiError`
 */
export async function connect(connection, url, signal, token = null, opus = "") {
  const { sdp } = await connection.createOffer();
  await connection.setLocalDescription({ type: "offer", sdp: withOpus(sdp ?? "", opus) });
  await gathered(connection);
  const complete = connection.iceGatheringState === "complete";
  const headers = { "Content-Type": "application/sdp", Accept: "application/sdp", ...(token ? { [RESUME_TOKEN]: token } : {}) };
  const response = await request(url, { method: "POST", headers, body: connection.localDescription?.sdp ?? "", signal }, ANSWER_MS);
  const resource = new URL(response.headers.get("Location") ?? "", response.url).href;
  const etag = response.headers.get("ETag");
  if (!complete) trickle(connection, resource, etag);
  await connection.setRemoteDescription({ type: "answer", sdp: await response.text() });
  const id = (etag ?? "").replaceAll('"', "");
  return { connection, resource, id, streamId: response.headers.get("Clearcast-Stream"), token: response.headers.get(RESUME_TOKEN) };
}

/**
 * @param {RTCPeerConnection} connection
 * @param {AbortSignal} signal
 * @returns {Promise<void>} when media can flow; fails with an `ApiError` when it cannot
 */
export function stands(connection, signal) {
  return new Promise((resolve, reject) => {
    const finish = (/** @type {boolean} */ well) => {
      clearTimeout(timer);
      connection.removeEventListener("connectionstatechange", look);
      signal.removeEventListener("abort", look);
      if (well) resolve();
      else reject(new ApiError(0, "no-media", NO_MEDIA));
    };
    const look = () => {
      if (connection.connectionState === "connected") finish(true);
      else if (signal.aborted || ["failed", "closed"].includes(connection.connectionState)) finish(false);
    };
    const timer = setTimeout(() => finish(false), STAND_MS);
    connection.addEventListener("connectionstatechange", look);
    signal.addEventListener("abort", look);
    look();
  });
}

/**
 * Tell the other side goodbye; this outlives the page.
 * @param {Session} session
 * @returns {Promise<unknown>} never fails: a peer that is not told goodbye is missed soon enough
 */
export function leave(session) {
  return request(session.resource, { method: "DELETE", keepalive: true }).catch(() => undefined);
}

/** @param {Session} session */
export async function disconnect(session) {
  const told = leave(session);
  // Told first, closed then: a connection that closes unannounced looks like a loss.
  await Promise.race([told, new Promise((resolve) => setTimeout(resolve, GOODBYE_MS))]);
  session.connection.close();
}
