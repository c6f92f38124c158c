/** Which files this browser has begun to send, so that choosing one again goes on where it stopped. */

import { recall, remember } from "../settings.js";
import { store } from "../store.js";

/** @typedef {Record<string, { url: string, at: number }>} Begun */

const KEY = "uploads.begun";
const KEPT_MS = 14 * 86_400_000;

/** @param {File} file @returns {string} the same for the same file, for the same person */
export function fingerprint(file) {
  return [store.me?.id ?? "", file.name, file.size, file.lastModified].join("|");
}

/** @returns {Begun} */
function all() {
  /** @type {Begun} */
  const kept = recall(KEY, {});
  return Object.fromEntries(Object.entries(kept).filter(([, { at }]) => Date.now() - at < KEPT_MS));
}

/** @param {File} file @returns {string} where it was sent to; empty: it was not */
export const begunAt = (file) => all()[fingerprint(file)]?.url ?? "";

/** @param {File} file @param {string} url */
export const keepBegun = (file, url) => remember(KEY, { ...all(), [fingerprint(file)]: { url, at: Date.now() } });

/** @param {string} url of what is there, or thrown away */
export const forgetBegun = (url) => remember(KEY, Object.fromEntries(Object.entries(all()).filter(([, one]) => one.url !== url)));
