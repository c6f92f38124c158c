/** Publishing over WHIP: one attempt; who tries again, and when, is the studio's business. */

import { connect } from "./peer.js";

/**
 * @typedef {object} PublishOptions
 * @property {string} title empty: the server names the stream
 * @property {"active" | "bypassed" | "absent"} denoise
 * @property {boolean} record
 * @property {number} strength 0 to 1
 * @property {boolean} postFilter
 */

/**
 * @param {string} slug
 * @param {PublishOptions} options
 */
export function whipUrl(slug, options) {
  const query = new URLSearchParams({
    denoise: options.denoise,
    denoise_strength: String(options.strength),
    post_filter: String(options.postFilter),
    record: String(options.record),
  });
  if (options.title) query.set("title", options.title);
  return `/whip/${encodeURIComponent(slug)}?${query}`;
}

/**
 * @param {string} url
 * @param {MediaStreamTrack} track
 * @param {RTCIceServer[]} iceServers
 * @returns {Promise<{ session: import("./peer.js").Session, sender: RTCRtpSender }>}
 */
export async function publish(url, track, iceServers) {
  const connection = new RTCPeerConnection({ iceServers, bundlePolicy: "max-bundle" });
  const { sender } = connection.addTransceiver(track, { direction: "sendonly", streams: [new MediaStream([track])] });
  try {
    return { session: await connect(connection, url), sender };
  } catch (error) {
    connection.close();
    throw error;
  }
}
