/** What administrators ask of the server. Everything fails with an `ApiError`. */

import { json, part } from "../api.js";

const BASE = "/api/v1/admin";

/** @typedef {{ id: string, name: string, display_name: string, email: string | null, administrator: boolean, disabled_at: string | null, created_at: string }} Account */
/** @typedef {{ id: string, at: string, actor_id: string, actor_name: string, action: string, kind: string, subject: string, address: string, result: string, detail: string }} Entry */
/** @typedef {{ owner: string, name: string, recordings: number, bytes: number }} Use */
/** @typedef {{ name: string, value: unknown, default: boolean, description: string }} Setting */
/** @typedef {{ version: string, started_at: string, components: Record<string, { state: string, detail: string }>, settings: Setting[] }} Overview */
/**
 * @template T
 * @typedef {{ items: T[], total: number, next: string | null }} Part
 */

/** @param {Record<string, string | null>} query */
const asked = (query) => {
  const text = new URLSearchParams(Object.entries(query).flatMap(([name, value]) => (value ? [[name, value]] : []))).toString();
  return text ? `?${text}` : "";
};

/** @param {string} search @param {string | null} cursor @returns {Promise<Part<Account>>} */
export const getAccounts = (search, cursor) => json(`${BASE}/users${asked({ search, cursor })}`);
/** @param {string} id @param {{ administrator: boolean } | { disabled: boolean }} change @returns {Promise<Account>} */
export const changeAccount = (id, change) => json(`${BASE}/users/${part(id)}`, "PATCH", change);
/** @param {string} id @returns {Promise<{ password: string }>} */
export const resetPassword = (id) => json(`${BASE}/users/${part(id)}/reset-password`, "POST");
/** @returns {Promise<{ items: import("../types.js").Stream[], total: number }>} */
export const getAllLive = () => json(`${BASE}/streams`);
/** @returns {Promise<{ free_bytes: number, total_bytes: number, recordings: number, bytes: number, owners: Use[] }>} */
export const getStorage = () => json(`${BASE}/storage`);
/** @param {string | null} cursor @returns {Promise<Part<import("../captions/api.js").Job & { created_at: string }>>} */
export const getAllJobs = (cursor) => json(`${BASE}/jobs${asked({ cursor })}`);
/** @param {string} id @returns {Promise<unknown>} */
export const cancelJob = (id) => json(`/api/v1/jobs/${part(id)}/cancel`, "POST");
/** @param {{ actor?: string, action?: string }} filter @param {string | null} cursor @returns {Promise<Part<Entry>>} */
export const getLog = ({ actor = "", action = "" }, cursor) => json(`${BASE}/audit${asked({ actor, action, cursor })}`);
/** @returns {Promise<Overview>} */
export const getOverview = () => json(`${BASE}/overview`);

export const LOG_FILE = `${BASE}/audit.jsonl`;
