/** What the page asks of the server about a chat. Everything fails with an `ApiError`. */

import { json, part } from "../api.js";

/** @typedef {import("../types.js").ChatMessage} ChatMessage */

/** @param {string} stream */
const base = (stream) => `/api/v1/streams/${part(stream)}/chat`;

/** @param {string} stream @param {string | null} [cursor] @returns {Promise<{ items: ChatMessage[], total: number, next: string | null, open: boolean }>} */
export const getChat = (stream, cursor = null) => json(`${base(stream)}?limit=100${cursor ? `&cursor=${part(cursor)}` : ""}`);
/** @param {string} stream @param {{ text: string } | { reaction: string }} said @returns {Promise<ChatMessage>} */
export const writeChat = (stream, said) => json(base(stream), "POST", said);
/** @param {string} stream @param {string} id @returns {Promise<null>} */
export const removeMessage = (stream, id) => json(`${base(stream)}/${part(id)}`, "DELETE");
/** @param {string} stream @param {boolean} open @returns {Promise<null>} */
export const switchChat = (stream, open) => json(`${base(stream)}/open`, "PUT", { open });
