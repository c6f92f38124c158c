/**
 * Everything that is being sent from this page, and everything of one's own that the server has: it goes on while one
 * moves around in the page.
 */

import { words } from "../api.js";
import { Emitter } from "../emitter.js";
import { size } from "../format.js";
import { store } from "../store.js";
import { toast } from "../toast.js";
import { ENDPOINT, getUploads, idOf, removeUpload } from "./api.js";
import { begunAt, forgetBegun, keepBegun } from "./begun.js";
import { Pace } from "./pace.js";
import { abilities, Transfer } from "./tus.js";

/** @typedef {import("./api.js").Upload} Upload */
/** @typedef {import("./api.js").Options} Options */

/**
 * @typedef {object} Entry one file, wherever it is
 * @property {string} key
 * @property {string} name
 * @property {string} batch those that were chosen together share it
 * @property {Transfer | null} transfer while this page sends it
 * @property {Upload | null} item as the server knows it
 * @property {string} refused why it is not even sent
 * @property {Pace} pace
 */

const AT_ONCE = 3;
/** What a snapshot holds at most. */
const SNAPSHOT = 50;

class Line extends Emitter {
  constructor() {
    super();
    /** Newest first. @type {Entry[]} */
    this.entries = [];
    /** @type {import("./tus.js").Abilities | null} */
    this.able = null;
    this.loaded = false;
    /** Where older ones begin that are not shown yet. @type {string | null} */
    this.older = null;
    this.made = 0;
    this.following = false;
    window.addEventListener("online", () => this.each((transfer) => transfer.hurry()));
    window.addEventListener("offline", () => this.each((transfer) => transfer.drop()));
    window.addEventListener("beforeunload", (event) => {
      if (this.entries.some(({ transfer }) => transfer?.busy)) event.preventDefault();
    });
  }

  /** @param {(transfer: Transfer) => void} act */
  each(act) {
    for (const { transfer } of this.entries) if (transfer) act(transfer);
  }

  /** Hear what becomes of one's files, from now on for as long as the page is open. */
  follow() {
    if (this.following) return;
    this.following = true;
    store.events.whenBack(() => this.each((transfer) => transfer.hurry()));
    store.events.subscribe("uploads", ({ type, data }) => {
      if (type === "snapshot") this.snapshot(data.items);
      else if (type === "upload_updated") this.learn(data);
      else if (type === "upload_removed") this.lose(data.id);
    });
    this.ask();
  }

  /** What the server takes. */
  ask() {
    abilities(ENDPOINT).then(
      (able) => {
        this.able = able;
        this.changed();
      },
      () => setTimeout(() => this.ask(), 5000),
    );
  }

  /** @param {Upload[]} items */
  snapshot(items) {
    const present = new Set(items.map(({ id }) => id));
    const oldest = items.at(-1)?.created_at ?? "";
    const older = (/** @type {Upload} */ item) => items.length >= SNAPSHOT && item.created_at < oldest;
    this.entries = this.entries.filter(({ transfer, item }) => transfer || !item || present.has(item.id) || older(item));
    for (const item of [...items].reverse()) this.put(item);
    const first = !this.loaded;
    this.loaded = true;
    this.changed();
    if (first && items.length >= SNAPSHOT) void this.more();
  }

  /** The next older ones. */
  async more() {
    try {
      const page = await getUploads(this.older ?? "");
      for (const item of page.items) this.put(item, true);
      this.older = page.next;
    } catch (error) {
      toast(words(error));
    }
    this.changed();
  }

  /** @param {Upload} item */
  learn(item) {
    this.put(item);
    this.changed();
  }

  /** @param {Upload} item @param {boolean} [old] whether it belongs below what is there */
  put(item, old = false) {
    const known = this.find(item.id);
    if (known) {
      Object.assign(known, { item, name: item.name, batch: item.batch ?? known.batch });
      if (known.transfer?.state === "stored") known.transfer = null;
      return;
    }
    /** @type {Entry} */
    const entry = { key: item.id, name: item.name, batch: item.batch ?? "", transfer: null, item, refused: "", pace: new Pace() };
    if (old) this.entries.push(entry);
    else this.entries.unshift(entry);
  }

  /** @param {string} id @returns {Entry | undefined} */
  find(id) {
    return this.entries.find(({ item, transfer }) => item?.id === id || (transfer?.url && idOf(transfer.url) === id));
  }

  /** @param {string} id */
  lose(id) {
    const entry = this.find(id);
    // What is no more on the server may still be wanted here: it then begins anew by itself.
    if (!entry || entry.transfer?.wanted) return;
    this.entries = this.entries.filter((one) => one !== entry);
    this.changed();
  }

  /**
   * @param {File[]} files
   * @param {Options} options
   */
  add(files, options) {
    const batch = files.length > 1 ? crypto.getRandomValues(new Uint32Array(3)).join("-") : "";
    for (const file of [...files].reverse()) this.addOne(file, options, batch);
    this.advance();
  }

  /** @param {File} file @param {Options} options @param {string} batch */
  addOne(file, options, batch) {
    const again = begunAt(file);
    const known = again ? this.find(idOf(again)) : undefined;
    if (known?.transfer?.busy) return toast(`“${file.name}” is on its way already.`);
    if (known?.item?.state === "receiving" || (again && !this.loaded)) return this.resume(file, again, known);
    const refused = this.refusal(file);
    /** @type {Entry} */
    const entry = { key: `here-${++this.made}`, name: file.name, batch, transfer: null, item: null, refused, pace: new Pace() };
    this.entries.unshift(entry);
    if (!refused) this.attach(entry, file, "", { filename: file.name, ...(batch ? { batch } : {}), options: JSON.stringify(options) });
    return undefined;
  }

  /** @param {File} file @returns {string} why the server would not take it; empty: it may */
  refusal(file) {
    if (file.size === 0) return "The file is empty.";
    const most = this.able?.most ?? null;
    return most !== null && file.size > most ? `The file is larger than this server takes: ${size(file.size)}, and at most ${size(most)}.` : "";
  }

  /** Go on with one that stopped. @param {File} file @param {string} url @param {Entry} [known] */
  resume(file, url, known) {
    const entry = known ?? { key: `here-${++this.made}`, name: file.name, batch: "", transfer: null, item: null, refused: "", pace: new Pace() };
    if (!known) this.entries.unshift(entry);
    this.attach(entry, file, url, { filename: file.name });
    this.advance();
  }

  /** @param {Entry} entry @param {File} file @param {string} url @param {Record<string, string>} metadata */
  attach(entry, file, url, metadata) {
    const created = (/** @type {string} */ now) => {
      keepBegun(file, now);
      this.join(entry, idOf(now));
    };
    const transfer = new Transfer(file, { endpoint: ENDPOINT, metadata, url, created });
    entry.transfer = transfer;
    let before = transfer.state;
    transfer.watch(() => {
      entry.pace.saw(file.size ? transfer.sent / file.size : 1);
      const moved = before !== transfer.state;
      before = transfer.state;
      if (moved && transfer.state === "stored") this.stored(entry, transfer);
      if (moved) this.advance();
      else this.changed();
    });
  }

  /** The event may be here before the answer: then the server's entry and this page's are one. @param {Entry} entry @param {string} id */
  join(entry, id) {
    const other = this.entries.find((one) => one !== entry && one.item?.id === id);
    if (!other) return;
    entry.item = other.item;
    this.entries = this.entries.filter((one) => one !== other);
  }

  /** It is the server's now. @param {Entry} entry @param {Transfer} transfer */
  stored(entry, transfer) {
    forgetBegun(transfer.url);
    entry.pace = new Pace();
    if (entry.item) entry.transfer = null;
  }

  /** Begin the next ones, in the order in which they were chosen. */
  advance() {
    let room = AT_ONCE - this.entries.filter(({ transfer }) => transfer?.busy).length;
    const waiting = this.entries.filter(({ transfer }) => transfer?.state === "waiting");
    for (const { transfer } of waiting) {
      if (room <= 0) break;
      room -= 1;
      void transfer?.run(this.able?.checksum ?? false);
    }
    this.changed();
  }

  /** Go on after a pause, or try again. @param {Entry} entry */
  retry(entry) {
    if (!entry.transfer) return;
    entry.transfer.become("waiting");
    this.advance();
  }

  /** Throw it away, wherever it is. @param {Entry} entry */
  async remove(entry) {
    const { transfer, item } = entry;
    this.entries = this.entries.filter((one) => one !== entry);
    this.changed();
    try {
      if (transfer?.url) forgetBegun(transfer.url);
      if (transfer) await transfer.cancel();
      else if (item) await removeUpload(item.id);
    } catch (error) {
      if (item) this.put(item);
      this.changed();
      toast(`“${entry.name}” was not removed. ${words(error)}`);
    }
    this.advance();
  }
}

export const line = new Line();
