/** The library: requests to the server. Everything fails with an `ApiError`. */

import { json, part, request } from "../api.js";

/** @typedef {import("../types.js").Recording} Recording */

/**
 * @typedef {{ start_s: number, speaker: string | null, text: string, marks: [number, number][] }} Match
 * Where something that was looked for was said; `marks` are places in the text, as JavaScript counts.
 * @typedef {Recording & { origin?: "live" | "upload", plays_s?: number, binned_at?: string | null, gone_at?: string | null, detail?: string, matches?: Match[] }} Found
 * `plays_s` is what the trim leaves; `gone_at`, when it leaves the bin for good.
 * @typedef {{ items: Found[], total: number, next: string | null }} Page
 * @typedef {{ id: string, title: string, description: string, created_at: string, count: number, owner?: import("../types.js").Owner, recordings?: Found[] }} Collection
 * @typedef {{ used_bytes: number, quota_bytes: number | null, bin_bytes: number, uploads_bytes: number }} Storage
 */

const RECORDINGS = "/api/v1/recordings";
const COLLECTIONS = "/api/v1/collections";

/** @param {Record<string, string>} query @returns {Promise<Page>} */
export const findRecordings = (query) => json(`${RECORDINGS}?${new URLSearchParams(Object.entries(query).filter(([, value]) => value))}`);
/** @param {string} id @param {boolean} [keepalive] whether the page is leaving @returns {Promise<any>} */
export const deleteForGood = (id, keepalive = false) => request(`${RECORDINGS}/${part(id)}?forever=true`, { method: "DELETE", keepalive });
/** @returns {Promise<Storage>} */
export const getStorage = () => json("/api/v1/account/storage");

/** @returns {Promise<{ items: Collection[], total: number, next: string | null }>} */
export const getCollections = () => json(COLLECTIONS);
/** @param {string} id @returns {Promise<Collection>} */
export const getCollection = (id) => json(`${COLLECTIONS}/${part(id)}`);
/** @param {string} title @returns {Promise<Collection>} */
export const addCollection = (title) => json(COLLECTIONS, "POST", { title });
/** @param {string} id @param {{ title?: string, description?: string }} change @returns {Promise<Collection>} */
export const changeCollection = (id, change) => json(`${COLLECTIONS}/${part(id)}`, "PATCH", change);
/** @param {string} id @param {boolean} [keepalive] whether the page is leaving @returns {Promise<any>} */
export const removeCollection = (id, keepalive = false) => request(`${COLLECTIONS}/${part(id)}`, { method: "DELETE", keepalive });
/** @param {string} id @param {string[]} ids in their order @returns {Promise<Collection>} */
export const orderCollection = (id, ids) => json(`${COLLECTIONS}/${part(id)}/recordings`, "PUT", { ids });
