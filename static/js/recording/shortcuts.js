/** The keys of a recording's page, and the sheet that tells of them. */

import { h } from "../dom.js";
import { SPEEDS } from "../player/dock.js";
import { player } from "../player/player.js";

/** @typedef {{ search: () => void, turn: (by: number) => void, undo: () => void }} Acts */

/** @type {[string, string][]} */
const SHEET = [
  ["Space or K", "Play or pause"],
  ["J, L", "Ten seconds back, forward"],
  ["← →", "Five seconds back, forward"],
  ["N, P", "Next turn, the one before"],
  ["0 to 9", "Go to that tenth of the recording"],
  ["< >", "Slower, faster"],
  ["S", "Skip silence, or not"],
  ["M", "Mute the player"],
  ["/", "Search in the transcript"],
  ["Enter", "Correct the caption that has the focus"],
  ["Ctrl Z", "Undo the last correction"],
  ["?", "Show these keys"],
];

/** @param {EventTarget | null} target @returns {boolean} whether somebody writes there */
function writes(target) {
  return target instanceof HTMLElement && (target.isContentEditable || target.matches("textarea, select, input:not([type=range], [type=checkbox], [type=radio])"));
}

/** @param {EventTarget | null} target @returns {boolean} whether the key means something there already */
function presses(target) {
  return target instanceof Element && target.closest("button, a, summary, [role=slider], input") !== null;
}

/** @param {number} by */
function changeSpeed(by) {
  const at = SPEEDS.findIndex((speed) => speed >= player.speed);
  player.setSpeed(SPEEDS[Math.min(SPEEDS.length - 1, Math.max(0, at + by))] ?? 1);
}

export function keySheet() {
  const rows = SHEET.flatMap(([keys, what]) => [h("dt", null, keys), h("dd", null, what)]);
  const close = h("button", { type: "button", class: "btn first", data: { testid: "keys-close" } }, "Close");
  const dialog = h("dialog", { class: "sheet", "aria-label": "Keys", data: { testid: "keys" } }, h("h2", null, "Keys"), h("dl", { class: "keys" }, ...rows), close);
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  return dialog;
}

/**
 * @param {() => boolean} here whether the player holds this recording
 * @param {() => void} begin plays it
 * @param {Acts} acts
 * @param {HTMLDialogElement} sheet
 * @returns {() => void} stops listening
 */
export function listenForKeys(here, begin, acts, sheet) {
  const to = (/** @type {number} */ seconds) => here() && player.seek(player.position + seconds);
  /** @type {Record<string, () => void>} */
  const keys = {
    " ": () => (here() ? void player.toggle() : begin()),
    k: () => (here() ? void player.toggle() : begin()),
    j: () => void to(-10),
    l: () => void to(10),
    ArrowLeft: () => void to(-5),
    ArrowRight: () => void to(5),
    n: () => acts.turn(1),
    p: () => acts.turn(-1),
    "<": () => changeSpeed(-1),
    ">": () => changeSpeed(1),
    s: () => player.passages.setSkip(!player.passages.skip),
    m: () => player.toggleMute(),
    "/": acts.search,
    "?": () => sheet.showModal(),
  };
  const listen = (/** @type {KeyboardEvent} */ event) => {
    const { key, target } = event;
    if (event.defaultPrevented || event.isComposing || writes(target) || sheet.open) return;
    if ((event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey && key.toLowerCase() === "z") acts.undo();
    else if (event.ctrlKey || event.metaKey || event.altKey) return;
    else if ((key === " " || key.startsWith("Arrow")) && presses(target)) return;
    else if (/^[0-9]$/.test(key) && here()) player.seek(player.begin + (player.duration * Number(key)) / 10);
    else {
      const act = keys[key.length === 1 ? key.toLowerCase() : key];
      if (!act) return;
      act();
    }
    event.preventDefault();
  };
  document.addEventListener("keydown", listen);
  return () => document.removeEventListener("keydown", listen);
}
