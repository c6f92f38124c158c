/** Voices that the server remembers. Everything fails with an `ApiError`. */

import { json, part } from "../api.js";

/** @typedef {{ id: string, name: string, created_at?: string, seconds?: number }} Voice */

/** @returns {Promise<{ items: Voice[] }>} */
export const getVoices = () => json("/api/v1/voices");
/** @param {string} id @param {string} name @returns {Promise<Voice>} */
export const renameVoice = (id, name) => json(`/api/v1/voices/${part(id)}`, "PATCH", { name });
/** @param {string} id @returns {Promise<null>} */
export const deleteVoice = (id) => json(`/api/v1/voices/${part(id)}`, "DELETE");
