/** What a talker wants of captions, as this browser remembers it, and how it is asked for. */

import { recall, remember } from "../settings.js";
import { preferred, store } from "../store.js";

/**
 * @typedef {object} Wishes
 * @property {boolean} on
 * @property {string} language a code as in "en"; empty: whatever is heard
 * @property {boolean} translate whether it is written in English, whatever is spoken
 * @property {number} speakers how many are expected; 0: whoever comes
 * @property {string} vocabulary names and jargon, with commas between
 */

export const MOST_VOCABULARY = 500;
/** @type {Wishes} */
const USUAL = { on: true, language: "", translate: false, speakers: 0, vocabulary: "" };

/** @returns {Wishes} what this browser remembers, else what one's account says */
export function recallWishes() {
  const { captions, language, vocabulary } = preferred();
  return { ...USUAL, on: captions ?? USUAL.on, language: language ?? "", vocabulary: vocabulary ?? "", ...recall("captions", {}) };
}

/** @param {Partial<Wishes>} change */
export function keepWishes(change) {
  remember("captions", { ...recall("captions", {}), ...change });
}

/** From now on it is as the account says. */
export function forgetWishes() {
  const { translate, speakers } = recallWishes();
  remember("captions", { translate, speakers });
}

/** @param {URLSearchParams} query of the WHIP address */
export function addWishes(query) {
  const { on, language, translate, speakers, vocabulary } = recallWishes();
  query.set("captions", String(on));
  if (!on) return;
  if (language) query.set("language", language);
  if (translate && store.config?.captions?.translates) query.set("translate", "true");
  if (speakers > 0) query.set("speakers", String(speakers));
  if (vocabulary.trim()) query.set("vocabulary", vocabulary.trim());
}
