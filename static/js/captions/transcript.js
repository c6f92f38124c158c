/** What was said in a recording, beside its sound: read, jumped to, corrected, with names that can be changed. */

import { ApiError, words } from "../api.js";
import { h, say } from "../dom.js";
import { clock } from "../format.js";
import { getCaptions } from "./api.js";
import { Correcting } from "./correcting.js";
import { followJob, hasImproved, jobWords } from "./improving.js";
import { Emitter } from "../emitter.js";
import { RATE } from "./model.js";
import { Naming } from "./naming.js";
import { Speakers } from "./speakers.js";
import { search } from "./search.js";
import { nameButton, SpeakerCard } from "./speakercard.js";
import { pages, Words } from "./pages.js";
import { WindowedTurns } from "./windowed.js";
import { wordAt, wordNodes } from "./words.js";

/** @typedef {import("../types.js").Caption} Caption */
/** Whoever scrolls reads; the text does not run away from them. */
const READING_MS = 5000;

export class Transcript extends Emitter {
  /**
   * @param {string} stream
   * @param {(seconds: number) => void} seek
   * @param {boolean} own whether it may be changed
   * @param {boolean} live whether it was heard while it was said, before it was heard as a whole
   */
  constructor(stream, seek, own, live) {
    super();
    this.live = live;
    this.stream = stream;
    this.seek = seek;
    this.own = own;
    this.version = "";
    this.speakers = new Speakers();
    /** @type {Map<number, Caption>} */
    this.captions = new Map();
    /** @type {Caption[]} */
    this.ordered = [];
    /** @type {Caption | null} */
    this.current = null;
    /** @type {import("./api.js").Job | null} */
    this.job = null;
    this.scrolledAt = -Infinity;
    this.turn = 0;
    const open = own ? (/** @type {HTMLElement} */ place, /** @type {string} */ label) => this.card.open(place, label) : null;
    this.flow = h("div", { class: "tr-flow", tabIndex: 0, role: "region", "aria-label": "Transcript", data: { testid: "transcript" } });
    this.list = new WindowedTurns(this.flow, { name: (who) => nameButton(who, open), dress: (element, caption) => own && this.correcting.dress(element, caption), lead: ({ first }) => this.time(first) }, (came) => this.appeared(came));
    this.flow.append(this.list.element);
    this.words = new Words((before, count) => getCaptions(stream, { before, limit: count, version: this.version }), (came) => this.learnWords(came));
    /** How many captions there are, and how often they changed. */
    this.total = this.drawn = 0;
    this.state = h("p", { class: "sub", role: "status", data: { testid: "transcript-state" } });
    this.choice = this.versions();
    this.search = search({ all: () => this.ordered, present: () => this.list.present, element: (id) => this.list.caption(id), reach: (caption) => this.reach(caption), whole: () => this.captions.size >= this.total });
    this.place = h("div", { class: "tr-place" }, this.flow);
    this.element = h("section", { class: "tr", hidden: true, "aria-label": "Transcript" }, h("header", { class: "sec" }, h("h2", null, "Transcript"), h("span", { class: "grow" }), this.choice.element, this.search.opener), this.search.row, this.state, this.place);
    this.naming = new Naming(() => stream, this.speakers, () => this.draw(), () => this.version);
    this.card = new SpeakerCard(this.place, this.naming);
    this.correcting = new Correcting(this.place, () => this.list, { stream: () => stream, find: (id) => (own ? this.captions.get(id) : undefined), put: (caption) => this.put(caption), version: () => this.version, speakers: this.speakers });
    this.flow.addEventListener("click", (event) => this.pressed(event));
    for (const type of ["wheel", "touchmove", "keydown"]) this.flow.addEventListener(type, () => (this.scrolledAt = performance.now()), { passive: true });
    this.unfollow = own ? followJob(stream, (job) => this.learnJob(job)) : () => {};
    void this.load("");
  }

  versions() {
    const button = (/** @type {string} */ version, /** @type {string} */ label) => h("button", { type: "button", "aria-pressed": "false", data: { testid: `version-${version}` }, on: { click: () => void this.load(version) } }, label);
    const buttons = [button("final", "Improved"), button("live", "As live")];
    const element = h("div", { class: "segments", role: "group", "aria-label": "Which account", hidden: true }, ...buttons);
    return { element, buttons };
  }

  /** @param {import("./api.js").Job} job */
  learnJob(job) {
    const done = job.state === "done" && this.job && this.job.state !== "done";
    this.job = job;
    say(this.state, this.live || !hasImproved(job) ? jobWords(job) : "");
    if (done) void this.load("");
    else this.mark();
  }

  /** @returns {boolean} whether there are two accounts */
  get improved() {
    return this.live && (this.version === "final" || (this.job !== null && hasImproved(this.job)));
  }

  mark() {
    this.choice.element.hidden = !this.improved;
    for (const button of this.choice.buttons) button.setAttribute("aria-pressed", String(button.dataset["testid"] === `version-${this.version}`));
    this.element.hidden = this.captions.size === 0 && !this.state.textContent;
    this.changed();
  }

  /** @param {string} version empty: the better one that there is */
  async load(version) {
    const turn = ++this.turn;
    /** @type {Map<number, Caption>} */
    const found = new Map();
    this.words.forget();
    try {
      for await (const page of pages(this.stream, version)) {
        if (turn !== this.turn) return;
        for (const caption of page.items) found.set(caption.id, caption);
        this.version = page.version ?? "";
        this.total = page.total ?? found.size;
        this.captions = found;
        this.speakers.set(page.speakers);
        this.draw();
      }
      this.total = found.size;
      this.search.again();
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 404)) say(this.state, `${found.size ? "The rest of the transcript" : "The transcript"} did not load. ${words(error)}`);
    }
    this.mark();
  }

  draw() {
    this.ordered = [...this.captions.values()].sort((a, b) => a.start - b.start || a.id - b.id);
    this.list.show(this.ordered, (labels) => this.speakers.all(labels));
    this.drawn += 1;
    this.correcting.rove();
    this.search.again();
    this.mark();
  }

  /** @param {Caption[]} captions that have just got elements */
  appeared(captions) {
    this.words.want(captions);
    this.correcting?.rove();
    this.search?.shown();
    if (this.current && captions.some(({ id }) => id === this.current?.id)) this.dress(this.current, true);
  }

  /** @param {Caption[]} captions the same as before, with words */
  learnWords(captions) {
    for (const caption of captions) if (this.captions.get(caption.id)?.rev === caption.rev) this.captions.set(caption.id, caption);
    this.ordered = this.ordered.map((caption) => this.captions.get(caption.id) ?? caption);
    this.list.show(this.ordered, (labels) => this.speakers.all(labels));
    this.correcting.rove();
    this.search.shown();
    if (this.current) this.dress(this.captions.get(this.current.id) ?? null, true);
  }

  /** @param {Caption} caption */
  put(caption) {
    const before = this.captions.get(caption.id);
    if (before && before.rev > caption.rev) return;
    this.captions.set(caption.id, caption);
    this.draw();
  }

  /** @returns {import("../player/hearing.js").Turn[]} who speaks when, of all that is known yet */
  get turns() {
    /** @type {Map<string, string[]>} */
    const resolved = new Map();
    return this.ordered.filter((caption) => !caption.hidden).map(({ start, end, speakers }) => {
      const key = speakers.join("+");
      const who = resolved.get(key) ?? this.speakers.all(speakers).map(({ label }) => label).filter(Boolean);
      resolved.set(key, who);
      return { from: start / RATE, to: end / RATE, who };
    });
  }

  /** @returns {import("./speakers.js").Who[]} who says anything, in order of appearance */
  get everybody() {
    const heard = new Set(this.turns.flatMap(({ who }) => who));
    return this.speakers.present.filter(({ label }) => heard.has(label));
  }

  /** @param {Caption} caption */
  time({ start }) {
    return h("button", { type: "button", class: "at tn", "aria-label": `Play from ${clock(start / RATE)}`, on: { click: () => this.seek(start / RATE) } }, clock(start / RATE));
  }

  /** @param {Event} event */
  pressed(event) {
    const target = event.target instanceof HTMLElement ? event.target : null;
    const element = target?.closest(".cap");
    if (!target || !(element instanceof HTMLElement) || element.dataset["editing"] || getSelection()?.isCollapsed === false) return;
    const caption = this.captions.get(Number(element.dataset["caption"]));
    if (caption) this.seek((event instanceof MouseEvent ? wordAt(caption, element, event.clientX, event.clientY) : caption.start) / RATE);
  }

  /** @param {number} at @returns {Caption | null} the last that begins before */
  before(at) {
    let [low, high] = [0, this.ordered.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.ordered[middle]?.start ?? Infinity) <= at) low = middle + 1;
      else high = middle;
    }
    return this.ordered[low - 1] ?? null;
  }

  /** @param {number} seconds where the sound is */
  show(seconds) {
    const at = seconds * RATE;
    const now = seconds > 0 ? this.before(at + RATE / 10) : null;
    const current = now && at < now.end + RATE / 2 ? now : null;
    if (current !== this.current) this.become(current);
    if (!current) return;
    /** @type {HTMLElement | null} */
    let word = null;
    for (const one of this.list.caption(current.id)?.querySelectorAll("[data-from]") ?? []) {
      one.classList.remove("now");
      if (one instanceof HTMLElement && Number(one.dataset["from"]) <= at) word = one;
    }
    word?.classList.add("now");
  }

  /** @param {Caption | null} caption that is heard now: its words get elements, to be marked one by one */
  become(caption) {
    this.dress(this.current, false);
    this.current = caption;
    const reading = performance.now() - this.scrolledAt < READING_MS;
    if (caption && !reading) this.list.bring(caption.id);
    const element = this.dress(caption, true);
    if (caption) this.words.want([this.captions.get(caption.id) ?? caption]);
    if (!element || reading) return;
    const [box, line] = [this.flow.getBoundingClientRect(), element.getBoundingClientRect()];
    if (line.top < box.top + 8 || line.bottom > box.bottom - 48) this.flow.scrollTop += line.top - box.top - box.height / 3;
  }

  /** @param {Caption} caption that is looked for: whoever looks reads */
  reach({ id }) {
    const [line, box] = [this.list.bring(id)?.getBoundingClientRect(), this.flow.getBoundingClientRect()];
    this.scrolledAt = performance.now();
    if (line) this.flow.scrollTop += line.top - box.top - box.height / 3;
  }

  /** Take the last correction back. */
  async undo() {
    if (this.own) await this.correcting.undo();
  }

  /** @param {Caption | null} caption @param {boolean} now */
  dress(caption, now) {
    const element = caption && this.list.caption(caption.id);
    if (!caption || !element || element.dataset["editing"]) return null;
    element.replaceChildren(...wordNodes(this.captions.get(caption.id) ?? caption, now));
    element.classList.toggle("heard", now);
    element.closest(".turn")?.classList.toggle("heard", now);
    return element;
  }

  leave() {
    this.turn += 1;
    this.unfollow();
    this.words.forget();
    this.list.stop();
  }
}
