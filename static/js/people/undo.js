/** What is done in a few seconds, unless one changes one's mind; at once when the page is left. */

import { words } from "../api.js";
import { toast } from "../toast.js";

const UNDO_MS = 6000;

/** @type {Set<(leaving: boolean) => void>} */
const waiting = new Set();
window.addEventListener("pagehide", () => {
  for (const act of [...waiting]) act(true);
});

/**
 * @param {string} text what has happened, as the person sees it
 * @param {(leaving: boolean) => Promise<unknown>} act `leaving`: the page goes, and the request must outlive it
 * @param {() => void} undone also when it failed
 * @returns {Promise<void>} when it is settled
 */
export function later(text, act, undone) {
  return new Promise((resolve) => {
    const finish = async (/** @type {boolean} */ leaving) => {
      if (!waiting.delete(finish)) return;
      clearTimeout(timer);
      try {
        await act(leaving);
      } catch (error) {
        undone();
        toast(words(error));
      }
      resolve();
    };
    const timer = setTimeout(() => void finish(false), UNDO_MS);
    waiting.add(finish);
    const undo = () => {
      if (!waiting.delete(finish)) return;
      clearTimeout(timer);
      undone();
      resolve();
    };
    toast(text, { label: "Undo", act: undo }, UNDO_MS - 500);
  });
}
