/** How well the microphone reaches the server, from `getStats`. */

/**
 * @typedef {object} Quality
 * @property {"unknown" | "good" | "fair" | "weak"} grade
 * @property {string} words
 * @property {string} detail figures, for the curious
 */

/** @type {Quality} */
export const UNKNOWN = { grade: "unknown", words: "Measuring the connection", detail: "" };

/**
 * @param {number | null} rtt seconds
 * @param {number | null} loss fraction
 * @returns {Quality}
 */
export function judge(rtt, loss) {
  if (rtt === null && loss === null) return UNKNOWN;
  const percent = Math.round((loss ?? 0) * 100);
  const figures = [rtt === null ? "" : `${Math.round(rtt * 1000)} ms there and back`, loss === null ? "" : `${percent} % lost`];
  const detail = figures.filter(Boolean).join(", ");
  if ((loss ?? 0) > 0.08 || (rtt ?? 0) > 0.6) return { grade: "weak", words: weakWords(percent), detail };
  if ((loss ?? 0) > 0.02 || (rtt ?? 0) > 0.3) return { grade: "fair", words: "Fair connection", detail };
  return { grade: "good", words: "Good connection", detail };
}

/** @param {number} percent */
function weakWords(percent) {
  const cause = percent > 8 ? `${percent} % of the sound gets lost` : "the way to the server is slow";
  return `Weak connection: ${cause}. Move closer to the router, or use a cable.`;
}

/**
 * @param {RTCPeerConnection} connection
 * @returns {Promise<Quality>}
 */
export async function measure(connection) {
  /** @type {number | null} */
  let rtt = null;
  /** @type {number | null} */
  let loss = null;
  for (const report of (await connection.getStats()).values()) {
    if (report.type === "remote-inbound-rtp") {
      loss = report.fractionLost ?? loss;
      rtt = report.roundTripTime ?? rtt;
    } else if (report.type === "candidate-pair" && report.nominated && report.state === "succeeded") {
      rtt = rtt ?? report.currentRoundTripTime ?? null;
    }
  }
  return judge(rtt, loss);
}
