/** Publishing over WHIP: one attempt; who tries again, and when, is the studio's business. */

import { connect, leave, stands } from "./peer.js";

const MUSIC = "stereo=1;sprop-stereo=1;maxaveragebitrate=256000";

/**
 * @typedef {object} PublishOptions
 * @property {string} title empty: the server names the stream
 * @property {"active" | "bypassed" | "absent" | "music"} denoise
 * @property {boolean} record
 * @property {number} strength 0 to 1
 * @property {boolean} postFilter
 *
 * @typedef {{ session: import("./peer.js").Session, sender: RTCRtpSender }} Link
 */

/**
 * @param {string} slug
 * @param {PublishOptions} options
 * @param {(query: URLSearchParams) => void} [add] more of it
 */
export function whipUrl(slug, options, add) {
  const query = new URLSearchParams({
    denoise: options.denoise,
    denoise_strength: String(options.strength),
    post_filter: String(options.postFilter),
    record: String(options.record),
  });
  if (options.title) query.set("title", options.title);
  add?.(query);
  return `/whip/${encodeURIComponent(slug)}?${query}`;
}

/**
 * @param {string} url
 * @param {MediaStreamTrack} track
 * @param {RTCIceServer[]} iceServers
 * @param {string | null} token of the stream that is to go on
 * @param {AbortSignal} signal
 * @param {boolean} music whether it is to be sent in stereo at a high rate
 * @returns {Promise<Link>} through which sound can flow; fails with an `ApiError`
 */
export async function publish(url, track, iceServers, token, signal, music) {
  const connection = new RTCPeerConnection({ iceServers, bundlePolicy: "max-bundle" });
  const { sender } = connection.addTransceiver(track, { direction: "sendonly", streams: [new MediaStream([track])] });
  let session;
  try {
    session = await connect(connection, url, signal, token, music ? MUSIC : "");
    await stands(connection, signal);
    return { session, sender };
  } catch (error) {
    // A new stream on which nobody was heard is over; one that was to go on waits for the next attempt.
    if (session && !token) void leave(session);
    connection.close();
    throw error;
  }
}
