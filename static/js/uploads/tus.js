/**
 * Sends one file in pieces and goes on where it stopped, after a lost network or in another page (tus resumable upload
 * protocol 1.0.0 with creation, termination and, where the server has it, checksum; https://tus.io/protocols/resumable-upload).
 */

import { ApiError, problemOf, request, words } from "../api.js";
import { Backoff } from "../backoff.js";
import { Emitter } from "../emitter.js";

/**
 * @typedef {"waiting" | "sending" | "paused" | "broken" | "stored" | "failed" | "cancelled"} TransferState
 * `waiting` for others to be done; `broken`: the network, and it tries again by itself; `stored`: all of it is there.
 * @typedef {{ most: number | null, checksum: boolean }} Abilities `most` bytes a file may have.
 */

export const VERSION = "1.0.0";
const LEAST_PIECE = 128 * 1024;
const FIRST_PIECE = 256 * 1024;
const MOST_PIECE = 16 * 1024 * 1024;
/** How long a piece is to take: of one that is cut off nothing is kept where the server compares, so it costs little. */
const PIECE_MS = 1500;
/** A piece of which nothing has gone out for so long is given up. */
const STALLED_MS = 30_000;
const PASSING = new Set([0, 408, 423, 429, 500, 502, 503, 504]);
const CONFLICT = 409;
const GONE = new Set([404, 410]);
const MISMATCH = 460;
const MOST_MENDED = 5;
const MOVED = "The file cannot be read any more: it was moved, changed or deleted. Choose it again.";

/** @param {string} text @returns {string} base64 of its UTF-8 */
function base64(text) {
  return bytes64(new TextEncoder().encode(text));
}

/** @param {Uint8Array} bytes */
function bytes64(bytes) {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

/** @param {Record<string, string>} metadata @returns {string} as the header has it */
export function metadataHeader(metadata) {
  return Object.entries(metadata).map(([key, value]) => `${key} ${base64(value)}`).join(",");
}

/** @param {string} endpoint @returns {Promise<Abilities>} */
export async function abilities(endpoint) {
  const { headers } = await request(endpoint, { method: "OPTIONS" });
  const most = Number(headers.get("Tus-Max-Size"));
  const algorithms = (headers.get("Tus-Checksum-Algorithm") ?? "").split(",").map((name) => name.trim());
  return { most: most > 0 ? most : null, checksum: algorithms.includes("sha256") };
}

/** @param {Blob} piece @returns {Promise<string>} the header's value; empty where the browser does not count, as over plain HTTP */
async function checksum(piece) {
  if (!globalThis.crypto?.subtle) return "";
  const digest = await crypto.subtle.digest("SHA-256", await piece.arrayBuffer());
  return `sha256 ${bytes64(new Uint8Array(digest))}`;
}

/**
 * `fetch` tells nothing of what has gone out, so this is the older way.
 * @param {string} url
 * @param {Blob} piece
 * @param {Record<string, string>} headers
 * @param {(bytes: number) => void} gone out so far
 * @param {AbortSignal} signal
 * @returns {Promise<number>} the offset that the server has reached
 */
function patch(url, piece, headers, gone, signal) {
  return new Promise((resolve, reject) => {
    const asked = new XMLHttpRequest();
    let timer = 0;
    const lost = () => reject(new ApiError(0, "unreachable", "The server does not answer."));
    const alive = () => {
      clearTimeout(timer);
      timer = window.setTimeout(() => asked.abort(), STALLED_MS);
    };
    asked.open("PATCH", url);
    for (const [name, value] of Object.entries(headers)) asked.setRequestHeader(name, value);
    asked.upload.onprogress = ({ loaded }) => {
      alive();
      gone(loaded);
    };
    asked.onload = async () => {
      const status = asked.status;
      if (status === 204 || status === 200) return resolve(Number(asked.getResponseHeader("Upload-Offset")));
      const body = new Response(asked.responseText, { status, headers: { "Retry-After": asked.getResponseHeader("Retry-After") ?? "" } });
      return reject(await problemOf(body));
    };
    asked.onerror = asked.onabort = lost;
    asked.onloadend = () => clearTimeout(timer);
    signal.addEventListener("abort", () => asked.abort());
    alive();
    asked.send(piece);
  });
}

export class Transfer extends Emitter {
  /**
   * @param {File} file
   * @param {object} how
   * @param {string} how.endpoint where uploads are created
   * @param {Record<string, string>} how.metadata
   * @param {string} [how.url] of an upload that was begun before
   * @param {(url: string) => void} [how.created] told where it goes, to be able to go on there
   */
  constructor(file, { endpoint, metadata, url = "", created = () => {} }) {
    super();
    this.file = file;
    this.endpoint = endpoint;
    this.metadata = metadata;
    this.created = created;
    this.url = url;
    /** @type {TransferState} */
    this.state = "waiting";
    this.error = "";
    /** Bytes that the server has confirmed. */
    this.offset = 0;
    /** Bytes of the piece that is on its way. */
    this.under = 0;
    this.wanted = false;
    /** Counts the times that it was started or halted: what goes on for one that is over does nothing more. */
    this.turn = 0;
    this.withChecksum = false;
    this.piece = FIRST_PIECE;
    this.mended = 0;
    this.backoff = new Backoff(500, 15_000);
    this.abort = new AbortController();
  }

  /** @returns {number} bytes that have gone out */
  get sent() {
    return Math.min(this.file.size, this.offset + this.under);
  }

  /** @returns {boolean} whether it takes one of the places of those that are being sent */
  get busy() {
    return this.state === "sending" || this.state === "broken";
  }

  /** @param {TransferState} state @param {string} [error] */
  become(state, error = "") {
    this.state = state;
    this.error = error;
    this.under = 0;
    this.changed();
  }

  /** @param {boolean} withChecksum whether the server compares */
  async run(withChecksum) {
    if (this.wanted) return;
    this.wanted = true;
    this.withChecksum = withChecksum;
    this.mended = 0;
    this.backoff.reset();
    const mine = ++this.turn;
    const on = () => this.wanted && this.turn === mine;
    this.become("sending");
    while (on()) {
      this.abort = new AbortController();
      try {
        await this.sendAll(on);
      } catch (error) {
        if (on()) await this.trouble(error);
      }
    }
  }

  /** @param {() => boolean} on whether it is still wanted */
  async sendAll(on) {
    if (this.url) await this.ask();
    else await this.create();
    if (on() && this.state !== "sending") this.become("sending");
    while (on() && this.offset < this.file.size) await this.next(on);
    if (!on()) return;
    this.wanted = false;
    this.become("stored");
  }

  async create() {
    const headers = { "Tus-Resumable": VERSION, "Upload-Length": String(this.file.size), "Upload-Metadata": metadataHeader(this.metadata) };
    // Not cut off by a pause: the server would have made room for it, and nobody would know where.
    const answer = await request(this.endpoint, { method: "POST", headers });
    this.url = new URL(answer.headers.get("Location") ?? "", new URL(this.endpoint, location.href)).pathname;
    this.offset = 0;
    if (this.state === "cancelled") return this.forget();
    this.created(this.url);
    this.changed();
    return undefined;
  }

  /** How much of it is there. */
  async ask() {
    const { turn } = this;
    const answer = await request(this.url, { method: "HEAD", headers: { "Tus-Resumable": VERSION }, cache: "no-store", signal: this.abort.signal });
    if (turn !== this.turn) return;
    this.offset = Number(answer.headers.get("Upload-Offset"));
    this.under = 0;
    this.changed();
  }

  /** @param {() => boolean} on */
  async next(on) {
    const piece = this.file.slice(this.offset, this.offset + this.piece);
    /** @type {Record<string, string>} */
    const headers = { "Tus-Resumable": VERSION, "Upload-Offset": String(this.offset), "Content-Type": "application/offset+octet-stream" };
    const sum = this.withChecksum ? await checksum(piece) : "";
    if (sum) headers["Upload-Checksum"] = sum;
    if (!on()) return;
    const began = performance.now();
    const gone = (/** @type {number} */ bytes) => {
      this.under = bytes;
      this.changed();
    };
    this.offset = await patch(this.url, piece, headers, gone, this.abort.signal);
    this.under = 0;
    this.mended = 0;
    this.backoff.reset();
    const pace = (piece.size / Math.max(1, performance.now() - began)) * PIECE_MS;
    this.piece = Math.round(Math.min(MOST_PIECE, 2 * this.piece, Math.max(LEAST_PIECE, pace)));
    this.changed();
  }

  /** @param {unknown} error */
  async trouble(error) {
    const status = error instanceof ApiError ? error.status : error instanceof DOMException && error.name === "AbortError" ? 0 : -1;
    // Browsers do not tell a file that has gone from a network that has.
    if (status === 0 && !(await readable(this.file))) return this.fail(MOVED);
    if (PASSING.has(status)) {
      const after = error instanceof ApiError ? error.retryAfter : null;
      this.become("broken", status === 0 ? "" : words(error));
      return this.backoff.wait(1000 * (after ?? 0));
    }
    this.mended += 1;
    if (this.mended <= MOST_MENDED && (status === CONFLICT || status === MISMATCH)) return undefined;
    if (this.mended <= MOST_MENDED && GONE.has(status) && this.url) {
      // What was kept of it has been thrown away meanwhile: begin anew.
      this.url = "";
      return undefined;
    }
    return this.fail(words(error));
  }

  /** @param {string} error */
  fail(error) {
    this.wanted = false;
    this.become("failed", error);
  }

  /** The network is back. */
  hurry() {
    this.backoff.hurry();
  }

  /** The network is gone: what is on its way is lost. */
  drop() {
    if (this.wanted) this.abort.abort();
  }

  /** @param {TransferState} state what it is then */
  halt(state) {
    this.wanted = false;
    this.turn += 1;
    this.abort.abort();
    this.backoff.hurry();
    this.become(state);
  }

  /** Stop; what is there of it by now, the server says: more than it has told, or less than has gone out. */
  async pause() {
    this.halt("paused");
    if (!this.url) return;
    this.abort = new AbortController();
    await this.ask().catch(() => undefined);
  }

  /** Give it up, and have what is there thrown away. */
  async cancel() {
    this.halt("cancelled");
    if (this.url) await this.forget();
  }

  /** Have the server throw away what is there. */
  async forget() {
    await request(this.url, { method: "DELETE", headers: { "Tus-Resumable": VERSION }, keepalive: true }).catch(() => undefined);
  }
}

/** @param {File} file @returns {Promise<boolean>} */
function readable(file) {
  return file.slice(0, 1).arrayBuffer().then(
    () => true,
    () => false,
  );
}
