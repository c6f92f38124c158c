/** Captions of a recording, page by page: the first at once, hours of others while the page rests, words where they are looked at. */

import { getCaptions } from "./api.js";

/** @typedef {import("../types.js").Caption} Caption */
/** @typedef {import("./api.js").Page} Page */

const FIRST = 60;
const PAGE = 500;
const WORDS = 200;
/** What is scrolled past is not asked for. */
const SETTLED_MS = 200;

const idle = () => new Promise((resolve) => ("requestIdleCallback" in window ? requestIdleCallback(resolve, { timeout: 500 }) : setTimeout(resolve, 30)));

/**
 * @param {string} stream
 * @param {string} version empty: the better one that there is
 * @returns {AsyncGenerator<Page>} the first with words, which are ten times as many, the others without
 */
export async function* pages(stream, version) {
  const query = version ? { version } : {};
  let page = await getCaptions(stream, { limit: FIRST, ...query });
  yield page;
  // Of an account that is written anew meanwhile the rest must be of the same one.
  const same = page.version ? { version: page.version } : query;
  while (page.next) {
    await idle();
    page = await getCaptions(stream, { limit: PAGE, words: "false", cursor: page.next, ...same });
    yield page;
  }
}

/** Fetches the words, with their times, of captions that are looked at. */
export class Words {
  /**
   * @param {(before: number, count: number) => Promise<Page>} ask for the last ones before a number
   * @param {(captions: Caption[]) => void} came
   */
  constructor(ask, came) {
    this.ask = ask;
    this.came = came;
    /** @type {Caption[]} */
    this.wanted = [];
    this.timer = 0;
    this.asking = false;
    /** Asked for already, whatever came of it. @type {Set<number>} */
    this.asked = new Set();
  }

  /** @param {Caption[]} captions in order, those that are seen now */
  want(captions) {
    const lacking = captions.filter((caption) => caption.words.length === 0 && caption.text && !caption.edited && !this.asked.has(caption.id));
    if (lacking.length === 0) return;
    this.wanted = [...this.wanted, ...lacking].slice(-WORDS);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.fetch(), SETTLED_MS);
  }

  async fetch() {
    if (this.wanted.length === 0 || this.asking) return;
    const ids = this.wanted.map(({ id }) => id);
    const from = ids.reduce((least, id) => Math.min(least, id), Infinity);
    const count = Math.min(WORDS, Math.max(...ids) - from + 1);
    this.asking = true;
    try {
      this.came((await this.ask(from + count, count)).items);
    } catch {
      // The text is there; without the times of words a caption is marked as a whole.
    }
    this.asking = false;
    for (let id = from; id < from + count; id += 1) this.asked.add(id);
    this.wanted = this.wanted.filter(({ id }) => !this.asked.has(id));
    if (this.wanted.length > 0) void this.fetch();
  }

  forget() {
    clearTimeout(this.timer);
    this.wanted = [];
    this.asked.clear();
  }
}
