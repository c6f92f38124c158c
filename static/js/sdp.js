/** What a browser's offer does not say by itself. */

/**
 * @param {string} sdp
 * @param {string} parameters of Opus (RFC 7587), "stereo=1" say; empty: as it is
 * @returns {string}
 */
export function withOpus(sdp, parameters) {
  const type = sdp.match(/^a=rtpmap:(\d+) opus\/48000\/2\r?$/im)?.[1];
  if (!type || !parameters) return sdp;
  return sdp.replace(new RegExp(`^a=fmtp:${type} [^\\r\\n]*`, "m"), (line) => `${line};${parameters}`);
}
