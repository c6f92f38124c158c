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

/** @param {string} version "live", "final", or empty: the better one that there is */
const of = (version) => (version ? `?version=${part(version)}` : "");

/** @typedef {{ speakers: Speaker[] }} SpeakerList */

/** @param {string} stream @param {number} number @param {{ text?: string, speakers?: string[], hidden?: boolean }} change @param {string} [version] @returns {Promise<Caption>} */
export const changeCaption = (stream, number, change, version = "") => json(`${base(stream)}/captions/${number}${of(version)}`, "PATCH", change);
/** @param {string} stream @param {string} label @param {string} name @param {string} [version] @returns {Promise<SpeakerList>} */
export const renameSpeaker = (stream, label, name, version = "") => json(`${base(stream)}/speakers/${part(label)}${of(version)}`, "PATCH", { name });
/** @param {string} stream @param {string} label @param {string} [version] @returns {Promise<SpeakerList>} */
export const forgetName = (stream, label, version = "") => json(`${base(stream)}/speakers/${part(label)}/name${of(version)}`, "DELETE");
/** @param {string} stream @param {string} label @param {string} into @param {string} [version] @returns {Promise<SpeakerList>} */
export const mergeSpeaker = (stream, label, into, version = "") => json(`${base(stream)}/speakers/${part(label)}/merge${of(version)}`, "POST", { into });
/** @param {string} stream @param {string} label @param {string} [version] @returns {Promise<SpeakerList>} */
export const unmergeSpeaker = (stream, label, version = "") => json(`${base(stream)}/speakers/${part(label)}/unmerge${of(version)}`, "POST");
/** @param {string} stream @param {string} label @param {string} [version] @param {"add" | "replace"} [existing] what becomes of a voice of that name @returns {Promise<{ id: string, name: string }>} */
export const saveVoice = (stream, label, version = "", existing) => json(`${base(stream)}/speakers/${part(label)}/voice${of(version)}`, "POST", { consent: true, ...(existing ? { existing } : {}) });

/**
 * @typedef {{ id: string, kind: string, subject: string, state: "queued" | "running" | "done" | "failed" | "cancelled",
 *   progress: number, step: string, error: string, result: Record<string, any> | null }} Job
 */

/** @param {string} subject id of a stream or recording @returns {Promise<{ items: Job[] }>} */
export const getJobs = (subject) => json(`/api/v1/jobs?subject=${part(subject)}`);
