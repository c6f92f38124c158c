/** Files that people bring: requests to the server. Everything fails with an `ApiError`. */

import { json, part } from "../api.js";

export const ENDPOINT = "/api/v1/uploads";

/**
 * @typedef {object} Options what is to be done with a file
 * @property {string | null} [title] null: the file's name
 * @property {string | null} [language] a code; null: whatever is heard
 * @property {number | null} [speakers] how many people talk; null: not known
 * @property {boolean} denoise
 * @property {boolean} diarize
 * @property {boolean} captions
 * @property {boolean} translate
 * @property {string} vocabulary
 * @property {string | null} [access]
 * @property {"at-once" | "after-check"} start
 *
 * @typedef {object} Diagnosis
 * @property {number | null} duration_s
 * @property {string} format
 * @property {number | null} channels
 * @property {number | null} sample_rate
 * @property {number | null} level_dbfs
 * @property {number | null} noise_dbfs
 * @property {number | null} snr_db
 * @property {number | null} speakers
 *
 * @typedef {"receiving" | "received" | "checking" | "ready_to_start" | "queued" | "processing" | "done" | "failed" | "cancelled"} UploadState
 *
 * @typedef {object} Upload
 * @property {string} id
 * @property {string} name
 * @property {number} size
 * @property {number} received
 * @property {UploadState} state
 * @property {string} detail
 * @property {Options} options
 * @property {Diagnosis | null} diagnosis
 * @property {string | null} recording_id
 * @property {{ id: string, progress: number, step: string, position: number | null, wait_s: number | null } | null} job `step` is in words
 * @property {string | null} [batch]
 * @property {string} created_at
 */

/** @param {string} id */
const of = (id) => `${ENDPOINT}/${part(id)}`;

/** @returns {Promise<{ items: Upload[], total: number, next: string | null }>} */
export const getUploads = (cursor = "") => json(cursor ? `${ENDPOINT}?cursor=${part(cursor)}` : ENDPOINT);
/** @param {string} id @param {Options} options @returns {Promise<Upload>} */
export const setOptions = (id, options) => json(of(id), "PATCH", { options });
/** @param {string} id @returns {Promise<Upload>} */
export const startUpload = (id) => json(`${of(id)}/start`, "POST");
/** @param {string} id @param {Options} options @returns {Promise<Upload>} */
export const runAgain = (id, options) => json(`${of(id)}/again`, "POST", { options });
/** @typedef {{ id: string, upload: Upload | null, error: string }} Changed what has become of one of a batch */
/** @param {string[]} ids @param {Options | null} options @param {boolean} start @returns {Promise<{ items: Changed[] }>} */
export const changeBatch = (ids, options, start) => json(`${ENDPOINT}/batch`, "POST", { ids, ...(options ? { options } : {}), start });
/** @param {string} id @returns {Promise<null>} */
export const removeUpload = (id) => json(of(id), "DELETE");
/** @param {string} url of an upload's content @returns {string} its id */
export const idOf = (url) => decodeURIComponent(url.slice(ENDPOINT.length + 1).split("/")[0] ?? "");
