/** Who a label in a caption is: merges followed, with a name or a number, and one of eight colours. */

/** @typedef {import("../types.js").Speaker} Speaker */

/**
 * @typedef {object} Who
 * @property {string} label of whom the speaker turned out to be; "" while nobody knows
 * @property {string} name to show
 * @property {number} hue 1 to 8, 0 while nobody knows
 * @property {boolean} named whether that is more than a number
 * @property {"person" | "voice" | null} source who gave the name
 */

const COLOURS = 8;
/** @type {Who} */
export const NOBODY = { label: "", name: "Somebody", hue: 0, named: false, source: null };

export class Speakers {
  constructor() {
    /** @type {Map<string, Speaker>} */
    this.known = new Map();
  }

  /** @param {Speaker[]} list all there are */
  set(list) {
    this.known = new Map(list.map((speaker) => [speaker.label, speaker]));
  }

  /** @param {string} label @returns {Speaker | null} merges followed */
  entry(label) {
    let entry = this.known.get(label);
    // As many steps as there are speakers: a circle ends, too.
    for (let steps = this.known.size; entry?.merged_into && steps > 0; steps -= 1) entry = this.known.get(entry.merged_into);
    return entry ?? null;
  }

  /** @param {string} label @returns {Who} */
  who(label) {
    const entry = this.entry(label);
    if (!entry) return NOBODY;
    const name = entry.name ?? `Speaker ${entry.number}`;
    return { label: entry.label, name, hue: ((entry.number - 1) % COLOURS) + 1, named: entry.name !== null, source: entry.source };
  }

  /** @param {string[]} labels @returns {Who[]} each once; nobody when none is known */
  all(labels) {
    const found = new Map(labels.map((label) => this.who(label)).map((who) => [who.label, who]));
    if (found.size > 1) found.delete("");
    return found.size > 0 ? [...found.values()] : [NOBODY];
  }

  /** @returns {Who[]} everybody who is not merged into somebody else, in order of appearance */
  get present() {
    return [...this.known.values()]
      .filter((speaker) => !speaker.merged_into)
      .sort((a, b) => a.number - b.number)
      .map((speaker) => this.who(speaker.label));
  }

  /** @param {string} label @returns {Speaker[]} who was merged into this one */
  mergedInto(label) {
    return [...this.known.values()].filter((speaker) => speaker.merged_into && this.who(speaker.label).label === label);
  }
}

/** @param {Who[]} everybody @returns {string} "Ana", "Ana and Tom", "Ana, Tom and Mira" */
export function names(everybody) {
  const list = everybody.map((who) => who.name);
  const last = list.pop() ?? "";
  return list.length > 0 ? `${list.join(", ")} and ${last}` : last;
}
