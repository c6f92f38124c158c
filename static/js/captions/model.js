/**
 * The captions of one stream as the page knows them: those it was told, in their newest version, and who speaks.
 *
 * It holds a bounded number of captions; the oldest go first, and can be asked for again.
 */

import { Emitter } from "../emitter.js";
import { Speakers } from "./speakers.js";

/** @typedef {import("../types.js").Caption} Caption */
/** @typedef {import("../types.js").Envelope} Envelope */
/** @typedef {import("../types.js").CaptionState} CaptionState */
/** @typedef {import("../events.js").Events} Events */

export const RATE = 48_000;
/** Captions that are kept. */
export const MOST = 2000;
/** How many delays are remembered for the typical one. */
const DELAYS = 21;

export class CaptionsModel extends Emitter {
  /** @param {Events} events */
  constructor(events) {
    super();
    this.events = events;
    /** @type {string | null} */
    this.stream = null;
    this.unsubscribe = () => {};
    /** Called with each caption that becomes final. @type {Set<(caption: Caption) => void>} */
    this.finals = new Set();
    this.speakers = new Speakers();
    this.clear();
  }

  clear() {
    /** @type {Map<number, Caption>} */
    this.captions = new Map();
    /** @type {Caption[] | null} */
    this.sorted = null;
    this.speakers.set([]);
    /** @type {{ state: CaptionState, detail: string } | null} null until the server has said so */
    this.state = null;
    this.offRecord = false;
    /** @type {string | null} */
    this.language = null;
    /** Labels of those who speak now. @type {string[]} */
    this.speaking = [];
    /** Where the stream was when (milliseconds), as far as events tell. @type {{ at: number, time: number } | null} */
    this.head = null;
    /** @type {number[]} */
    this.delays = [];
    /** Whether older captions were let go: then what is asked for again is not kept either. */
    this.full = false;
  }

  /** @param {string | null} stream its id; the captions of another one are forgotten */
  follow(stream) {
    if (stream === this.stream) return;
    this.unsubscribe();
    this.unsubscribe = () => {};
    this.stream = stream;
    this.clear();
    if (stream) this.unsubscribe = this.events.subscribe(`captions:${stream}`, (event) => this.take(event));
    this.changed();
  }

  stop() {
    this.follow(null);
  }

  /** @param {Envelope} event */
  take({ type, data }) {
    if (type === "snapshot") this.snapshot(data);
    else if (type === "caption") this.told(data.kind, data.caption);
    else if (type === "speakers") this.speakers.set(data.speakers);
    else if (type === "speaking") this.whoSpeaks(data.speakers, data.at);
    else if (type === "off_record") this.offRecord = data.on;
    else if (type === "captions_state") this.state = { state: data.state, detail: data.detail ?? "" };
    else return;
    this.changed();
  }

  /** @param {any} data */
  snapshot(data) {
    this.state = { state: data.state?.state ?? "ok", detail: data.state?.detail ?? "" };
    this.offRecord = Boolean(data.off_record);
    this.language = data.language ?? null;
    this.speakers.set(data.speakers ?? []);
    this.speaking = [];
    this.reached(data.position ?? 0);
    /** @type {Caption[]} */
    const captions = data.captions ?? [];
    const first = captions[0]?.id ?? Infinity;
    // Interim captions that the snapshot does not have are gone; older final ones stay where there is no hole.
    const whole = this.captions.has(first) || this.captions.has(first - 1);
    for (const [id, caption] of this.captions) if (!caption.final || !whole) this.captions.delete(id);
    for (const caption of captions) this.put(caption);
  }

  /** @param {"interim" | "final" | "revision"} kind @param {Caption} caption */
  told(kind, caption) {
    if (!this.put(caption)) return;
    this.reached(caption.end);
    if (kind !== "final") return;
    this.late(caption);
    // Captions become final in order: what still seemed to be said before this one was taken back, and the word of it
    // may be lost on a slow line.
    for (const [id, other] of this.captions) if (!other.final && other.end <= caption.start) this.captions.delete(id);
    this.sorted = null;
    for (const tell of this.finals) tell(caption);
  }

  /** @param {Caption} caption @returns {boolean} whether that is news */
  put(caption) {
    const before = this.captions.get(caption.id);
    if (before && (before.rev > caption.rev || (before.final && !caption.final))) return false;
    this.sorted = null;
    if (!caption.final && caption.words.length === 0 && !caption.text) this.captions.delete(caption.id);
    // Of what is hidden everybody is told only that it is; whoever may read it has read it.
    else if (caption.hidden && !caption.text && before?.text) this.captions.set(caption.id, { ...caption, text: before.text, words: before.words });
    else this.captions.set(caption.id, caption);
    while (this.captions.size > MOST) this.dropOldest();
    return true;
  }

  dropOldest() {
    const oldest = this.list[0];
    if (!oldest) return;
    this.captions.delete(oldest.id);
    this.list.shift();
    this.full = true;
  }

  /** @param {Caption[]} captions from before those that are known @returns {number} how many were news */
  prepend(captions) {
    const room = MOST - this.captions.size;
    const older = room > 0 ? captions.filter((caption) => !this.captions.has(caption.id)).slice(-room) : [];
    for (const caption of older) this.put(caption);
    this.changed();
    return older.length;
  }

  /** @returns {Caption[]} in the order in which they were said */
  get list() {
    this.sorted ??= [...this.captions.values()].sort((a, b) => a.start - b.start || a.id - b.id);
    return this.sorted;
  }

  /** @returns {boolean} whether there were captions before the first that is known */
  get hasEarlier() {
    const first = this.list[0];
    return first !== undefined && first.id > 1 && this.captions.size < MOST && !this.full;
  }

  /** @param {string[]} labels @param {number} at */
  whoSpeaks(labels, at) {
    this.speaking = labels;
    this.reached(at);
  }

  /** @param {number} at samples: the stream has come at least this far */
  reached(at) {
    const now = performance.now();
    if (!this.head || at > this.head.at + ((now - this.head.time) * RATE) / 1000) this.head = { at, time: now };
  }

  /** @param {Caption} caption that has just become final */
  late({ end }) {
    if (!this.head) return;
    const now = this.head.at / RATE + (performance.now() - this.head.time) / 1000;
    this.delays.push(now - end / RATE);
    if (this.delays.length > DELAYS) this.delays.shift();
  }

  /** @returns {number | null} how long a word takes until it is read, seconds; null while nobody knows */
  get delay() {
    if (this.delays.length < 3) return null;
    return [...this.delays].sort((a, b) => a - b)[Math.floor(this.delays.length / 2)] ?? null;
  }
}
