/** What the page of a recording asks of the server. Everything fails with an `ApiError`. */

import { json, part } from "../api.js";

/** @typedef {import("../types.js").Recording} Recording */
/** @typedef {import("../types.js").Caption} Caption */
/** @typedef {{ start_s: number, end_s: number }} Trim */
/**
 * @typedef {object} Summary
 * @property {number} duration_s
 * @property {number} words
 * @property {{ label: string, name: string, seconds: number, share: number, words: number, turns: number }[]} speakers
 * @property {{ text: string, count: number }[]} terms
 * @property {{ start_s: number, speaker: string | null, text: string }[]} questions
 * @property {{ start_s: number, speaker: string | null, text: string, rule: string }[]} actions
 * @property {{ model: string, markdown: string, made_at: string, outdated: boolean } | null} text
 * @property {boolean} writable whether a model may be asked for a text
 *
 * @typedef {{ id: number, at: string, actor: string, before: any, after: any, undone: boolean }} Edit
 */

/** @param {string} id */
const base = (id) => `/api/v1/recordings/${part(id)}`;

/** @param {string} id @param {{ title?: string, description?: string, trim?: Trim | null }} change @returns {Promise<Recording>} */
export const changeRecording = (id, change) => json(base(id), "PATCH", change);
/** @param {string} id @returns {Promise<Summary>} */
export const getSummary = (id) => json(`${base(id)}/summary`);
/** @param {string} id @returns {Promise<import("../captions/api.js").Job>} that asks a model for a text */
export const writeSummary = (id) => json(`${base(id)}/summary`, "POST");
/** @param {string} id */
export const spectrogramUrl = (id) => `${base(id)}/spectrogram`;
/** @param {string} id @param {Record<string, string>} query @returns {string} */
export const audioUrl = (id, query) => `${base(id)}/audio?${new URLSearchParams(query)}`;
/** @param {string} id @param {Record<string, string>} query @returns {string} */
export const transcriptUrl = (id, query) => `${base(id)}/transcript?${new URLSearchParams(query)}`;
/** @param {string} id @param {Record<string, string>} query @returns {string} */
export const tracksUrl = (id, query) => `${base(id)}/tracks.zip?${new URLSearchParams(query)}`;
/** @param {string} stream @param {number} number @param {string} version @returns {Promise<{ items: Edit[] }>} */
export const getEdits = (stream, number, version) => json(`/api/v1/streams/${part(stream)}/captions/${number}/edits?${new URLSearchParams({ version })}`);
/** @param {string} stream @param {string} version @returns {Promise<Caption>} the caption as it is now */
export const undoEdit = (stream, version) => json(`/api/v1/streams/${part(stream)}/captions/undo?${new URLSearchParams({ version })}`, "POST");
