/** Voices that the server knows: requests about them. Everything fails with an `ApiError`. */

import { json, part, request } from "../api.js";

const VOICES = "/api/v1/voices";

/**
 * @typedef {object} Voice
 * @property {string} id
 * @property {string} name
 * @property {string} created_at
 * @property {number} seconds of speech that it was made from
 * @property {string} description
 * @property {boolean} active whether speakers are compared with it
 * @property {boolean} verified whether somebody has listened, and says that it is right
 * @property {number} samples
 *
 * @typedef {{ recording_id: string, title: string, created_at: string, label: string, seconds: number }} Met
 * @typedef {Voice & { spread: number, talk_s: number, recordings: Met[] }} Detail
 * `spread` says how far apart its samples are: 0 where all are alike.
 */

/** @param {string} [search] @param {string} [cursor] @returns {Promise<{ items: Voice[], total: number, next: string | null }>} */
export const getVoices = (search = "", cursor = "") => json(`${VOICES}?${new URLSearchParams({ ...(search ? { search } : {}), ...(cursor ? { cursor } : {}) })}`);
/** @param {string} id @returns {Promise<Detail>} */
export const getVoice = (id) => json(`${VOICES}/${part(id)}`);
/** @param {string} id @param {{ name?: string, description?: string, active?: boolean, verified?: boolean }} change @returns {Promise<Voice>} */
export const changeVoice = (id, change) => json(`${VOICES}/${part(id)}`, "PATCH", change);
/** @param {string} id of the one that goes @param {string} into of the one that stays @returns {Promise<Voice>} */
export const mergeVoice = (id, into) => json(`${VOICES}/${part(id)}/merge`, "POST", { into });
/** @param {string} id @returns {Promise<null>} */
export const deleteVoice = (id) => json(`${VOICES}/${part(id)}`, "DELETE");

const LISTENING_MS = 60_000;

/**
 * @param {string} name of somebody who has agreed
 * @param {Blob} sample a WAV file of them alone
 * @param {"add" | "replace"} [existing] what becomes of a voice of that name that sounds otherwise
 * @returns {Promise<Voice>}
 */
export async function createVoice(name, sample, existing) {
  const query = new URLSearchParams({ name, consent: "true", ...(existing ? { existing } : {}) });
  const answer = await request(`${VOICES}?${query}`, { method: "POST", headers: { "Content-Type": "audio/wav" }, body: sample }, LISTENING_MS);
  return answer.json();
}
