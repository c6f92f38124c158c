/** Whether all of a recording is taken along or a part: from one time to another, as people write times. */

import { h, say } from "../dom.js";
import { clock } from "../format.js";

/** @param {string} text "1:02:03", "2:03", "83" @returns {number | null} seconds; null: that is no time */
export function readTime(text) {
  if (!/^\d+(:[0-5]?\d){0,2}([.,]\d+)?$/.test(text.trim())) return null;
  return text.trim().replace(",", ".").split(":").reduce((sum, piece) => 60 * sum + Number(piece), 0);
}

/** @param {() => import("../types.js").Recording} recording @param {() => void} changed */
export function partChoice(recording, changed) {
  const field = (/** @type {string} */ label, /** @type {string} */ testid) => h("input", { class: "field tn", inputMode: "numeric", autocomplete: "off", "aria-label": label, data: { testid }, on: { input: () => read() } });
  const [from, to] = [field("From", "part-from"), field("To", "part-to")];
  const problem = h("p", { class: "sub", role: "status" });
  const fields = h("div", { class: "part-fields" }, from, h("span", null, "to"), to);
  const button = (/** @type {boolean} */ some, /** @type {string} */ text) => h("button", { type: "button", "aria-pressed": "false", data: { testid: some ? "part-some" : "part-all" }, on: { click: () => choose(some) } }, text);
  const buttons = [button(false, "All of it"), button(true, "A part")];
  const element = h("section", { class: "menu-part part-choice", "aria-label": "How much" }, h("div", { class: "segments wide", role: "group", "aria-label": "How much" }, ...buttons), fields, problem);
  let some = false;
  /** @type {[number, number] | null} */
  let span = null;

  const bounds = () => {
    const { trim, duration_s: duration } = recording();
    return /** @type {[number, number]} */ (trim ? [trim.start_s, trim.end_s] : [0, duration]);
  };
  function read() {
    const [first, last] = bounds();
    const [begin, end] = [readTime(from.value), readTime(to.value)];
    const good = begin !== null && end !== null && begin < end && end <= Math.ceil(last) && begin >= Math.floor(first);
    span = good ? [Math.max(first, begin), Math.min(last, end)] : null;
    say(problem, !some || good ? "" : `Two times between ${clock(first)} and ${clock(last)}, the earlier first: 1:30 to 2:45, say. Until then all of it is taken.`);
    changed();
  }
  function show() {
    fields.hidden = !some;
    for (const [at, one] of buttons.entries()) one.setAttribute("aria-pressed", String(Boolean(at) === some));
  }
  /** @param {boolean} part */
  function choose(part) {
    some = part;
    const [first, last] = bounds();
    if (!from.value) [from.value, to.value] = [clock(first), clock(Math.ceil(last))];
    show();
    read();
    if (part) from.select();
  }
  return {
    element,
    show,
    /** @returns {Record<string, string>} of an address */
    query: () => (some && span ? { start: String(span[0]), end: String(span[1]) } : {}),
    /** @returns {number} how long it is */
    seconds() {
      const [first, last] = some && span ? span : bounds();
      return last - first;
    },
  };
}
