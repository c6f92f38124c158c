/**
 * What one changes about a stream that is on air, told to the server: the newest of each kind, one request at a time,
 * kept while the server cannot be reached.
 */

import { ApiError } from "../api.js";

/** @typedef {{ title?: string, denoise?: string, recording?: boolean, denoise_strength?: number, post_filter?: boolean, off_record?: boolean }} Change */

/** A slider that is dragged says more than anybody has to know. */
const SPACING_MS = 120;
const AGAIN_MS = 1000;

/** @param {number} milliseconds */
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

export class Changes {
  /** @param {(change: Change) => Promise<unknown>} send fails with an `ApiError` */
  constructor(send) {
    this.send = send;
    /** @type {Change} */
    this.waiting = {};
    /** @type {Change} */
    this.sent = {};
    /** @type {Promise<void> | null} */
    this.work = null;
    this.held = false;
    this.release = () => {};
    this.opened = Promise.resolve();
  }

  /** Keep what comes until `go`. */
  hold() {
    if (this.held) return;
    this.held = true;
    this.opened = new Promise((resolve) => (this.release = () => resolve(undefined)));
  }

  go() {
    this.held = false;
    this.release();
  }

  /** Forget what was not told: the stream is over. */
  clear() {
    this.waiting = {};
    this.go();
  }

  /**
   * @template {keyof Change} K
   * @param {K} name
   * @returns {Change[K]} what it is to become; undefined when the server knows
   */
  pending(name) {
    return this.waiting[name] ?? this.sent[name];
  }

  /** @param {Change} change @returns {Promise<void>} when the server knows; fails with an `ApiError` */
  add(change) {
    this.waiting = { ...this.waiting, ...change };
    this.work ??= this.tell().finally(() => {
      this.work = null;
      this.sent = {};
    });
    return this.work;
  }

  async tell() {
    for (;;) {
      await this.opened;
      this.sent = this.waiting;
      this.waiting = {};
      if (Object.keys(this.sent).length === 0) return;
      try {
        await this.send(this.sent);
      } catch (error) {
        if (!(error instanceof ApiError) || error.status !== 0) throw error;
        this.waiting = { ...this.sent, ...this.waiting };
        await pause(AGAIN_MS);
      }
      if (Object.keys(this.waiting).length > 0) await pause(SPACING_MS);
    }
  }
}
