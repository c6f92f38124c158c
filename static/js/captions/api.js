/** What the page asks of the server about captions. Everything fails with an `ApiError`. */

import { json, part } from "../api.js";

/** @typedef {import("../types.js").Caption} Caption */
/** @typedef {import("../types.js").Speaker} Speaker */
/** @typedef {{ items: Caption[], next: string | null, speakers: Speaker[], total?: number, version?: string }} Page */

/** @param {string} stream */
const base = (stream) => `/api/v1/streams/${part(stream)}`;

/**
 * @param {string} stream
 * @param {Record<string, string | number>} query
 * @returns {Promise<Page>}
 */
export function getCaptions(stream, query) {
  const text = new URLSearchParams(Object.entries(query).map(([key, value]) => [key, String(value)]));
  return json(`${base(stream)}/captions?${text}`);
}

/** @param {string} stream @param {number} number @param {{ text?: string, speakers?: string[], hidden?: boolean }} change @returns {Promise<Caption>} */
export const changeCaption = (stream, number, change) => json(`${base(stream)}/captions/${number}`, "PATCH", change);
/** @param {string} stream @param {string} label @param {string} name @returns {Promise<Speaker>} */
export const renameSpeaker = (stream, label, name) => json(`${base(stream)}/speakers/${part(label)}`, "PATCH", { name });
/** @param {string} stream @param {string} label @returns {Promise<unknown>} */
export const forgetName = (stream, label) => json(`${base(stream)}/speakers/${part(label)}/name`, "DELETE");
/** @param {string} stream @param {string} label @param {string} into @returns {Promise<unknown>} */
export const mergeSpeaker = (stream, label, into) => json(`${base(stream)}/speakers/${part(label)}/merge`, "POST", { into });
/** @param {string} stream @param {string} label @returns {Promise<unknown>} */
export const unmergeSpeaker = (stream, label) => json(`${base(stream)}/speakers/${part(label)}/unmerge`, "POST");
/** @param {string} stream @param {string} label @returns {Promise<{ id: string, name: string }>} */
export const saveVoice = (stream, label) => json(`${base(stream)}/speakers/${part(label)}/voice`, "POST", { consent: true });
