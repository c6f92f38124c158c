/** Requests to the server. Failures are `ApiError`s with a sentence for people and a code for programs. */

/** @typedef {import("./types.js").Recording} Recording */
/** @typedef {import("./types.js").Stream} Stream */
/** @typedef {import("./types.js").Channel} Channel */

const LIMIT_MS = 15_000;
const UNREACHABLE = "The server does not answer. Check your connection; this page tries again by itself.";

export class ApiError extends Error {
  /**
   * @param {number} status 0 when the server could not be reached
   * @param {string} code stable, for programs
   * @param {string} message for people
   * @param {number | null} retryAfter seconds
   */
  constructor(status, code, message, retryAfter = null) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

let signedOut = () => {};

/** @param {() => void} act when the server says that one has not signed in, or not any more */
export function onSignedOut(act) {
  signedOut = act;
}

/**
 * `fetch` that throws an `ApiError` for everything that is no success. A network that swallows everything would keep it
 * waiting for minutes, so it is given up after a while.
 * @param {string} url
 * @param {RequestInit} [init]
 * @param {number} [limit] milliseconds until it is answered
 * @returns {Promise<Response>}
 */
export async function request(url, init = {}, limit = LIMIT_MS) {
  const { signal } = init;
  const given = new AbortController();
  const stop = () => given.abort(signal?.reason);
  const timer = setTimeout(() => given.abort(new ApiError(0, "unreachable", UNREACHABLE)), limit);
  if (signal?.aborted) stop();
  signal?.addEventListener("abort", stop);
  let response;
  try {
    response = await fetch(url, { credentials: "same-origin", ...init, signal: given.signal });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, "unreachable", UNREACHABLE);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
  }
  if (!response.ok) throw await problemOf(response);
  return response;
}

/** @param {number} limit milliseconds @returns {Promise<boolean>} whether the server answers within that */
export function answers(limit) {
  return request("/health/live", { cache: "no-store" }, limit).then(
    () => true,
    (error) => error.status > 0,
  );
}

/** @param {Response} response @returns {Promise<ApiError>} */
export async function problemOf(response) {
  const retry = Number(response.headers.get("Retry-After"));
  const after = Number.isFinite(retry) && retry > 0 ? retry : null;
  /** @type {{ code?: string, detail?: string, title?: string }} */
  const body = await response.json().catch(() => ({}));
  if (body.code === "not-authenticated") signedOut();
  const text = body.detail || body.title || "The server could not do that. Try again in a moment.";
  return new ApiError(response.status, body.code ?? "unknown", text, after);
}

/**
 * @param {string} url
 * @param {string} [method]
 * @param {unknown} [body]
 * @returns {Promise<any>}
 */
export async function json(url, method = "GET", body) {
  /** @type {RequestInit} */
  const init = { method, headers: { Accept: "application/json" } };
  if (body !== undefined) {
    init.headers = { Accept: "application/json", "Content-Type": "application/json" };
    init.body = JSON.stringify(body);
  }
  const response = await request(url, init);
  return response.status === 204 ? null : response.json();
}

export const part = encodeURIComponent;

/** @returns {Promise<import("./types.js").Me>} */
export const getMe = () => json("/api/v1/me");
/** @returns {Promise<import("./types.js").Config>} */
export const getConfig = () => json("/api/v1/config");
/** @param {string} slug @returns {Promise<Channel>} */
export const getChannel = (slug) => json(`/api/v1/channels/${part(slug)}`);
/** @param {string} id @returns {Promise<Stream>} */
export const getStream = (id) => json(`/api/v1/streams/${part(id)}`);
/** @param {string} id @param {import("./studio/changes.js").Change} change @returns {Promise<Stream>} */
export const changeStream = (id, change) => json(`/api/v1/streams/${part(id)}`, "PATCH", change);
/** @param {string} id @returns {Promise<Stream>} */
export const endStream = (id) => json(`/api/v1/streams/${part(id)}/end`, "POST");
/** @param {string | null} [cursor] @param {string} [owner] whose @returns {Promise<{ items: Recording[], total: number, next: string | null }>} */
export const getRecordings = (cursor, owner) => json(`/api/v1/recordings?${new URLSearchParams({ ...(cursor ? { cursor } : {}), ...(owner ? { owner } : {}) })}`);
/** @param {string} id @returns {Promise<Recording>} without who talks how long: it is counted from the captions anyway */
export const getRecording = (id) => json(`/api/v1/recordings/${part(id)}?speakers=false`);
/** @param {string} id @param {string} title @returns {Promise<Recording>} */
export const renameRecording = (id, title) => json(`/api/v1/recordings/${part(id)}`, "PATCH", { title });
/** @param {string} id @returns {Promise<null>} */
export const deleteRecording = (id) => json(`/api/v1/recordings/${part(id)}`, "DELETE");
/** @param {string} id @returns {Promise<Recording | null>} */
export const restoreRecording = (id) => json(`/api/v1/recordings/${part(id)}/restore`, "POST");
/** @param {string} url @returns {Promise<import("./types.js").Peaks>} */
export const getPeaks = (url) => json(url);

/** @param {Blob} sound a WAV file @param {AbortSignal} signal @returns {Promise<Response>} the same without its noise */
export const checkSound = (sound, signal) => request("/api/v1/sound-check", { method: "POST", headers: { "Content-Type": "audio/wav" }, body: sound, signal });

/** @param {unknown} error @returns {string} a sentence for people, whatever was thrown */
export function words(error) {
  if (error instanceof ApiError) return error.message;
  return "Something in this page went wrong. Load it again; if it stays, the browser's console says more.";
}
