/** Small pieces that several pages show. */

import { h, icon, say, tell } from "./dom.js";
import { initial, tint } from "./format.js";

/**
 * @param {string} name
 * @param {"" | "onair" | "lost" | "here" | "away"} [ring]
 * @param {number} [px]
 */
export function avatar(name, ring = "", px = 56) {
  return h("span", { class: `av t${tint(name)} ${ring}`, vars: { "--sz": `${px}px` }, "aria-hidden": "true" }, h("b", null, initial(name)));
}

/** @param {import("./types.js").StreamState} state */
export function liveTag(state) {
  const tag = h("span", { class: "live", data: { testid: "live-tag" } });
  setLiveTag(tag, state);
  return tag;
}

/** @param {HTMLElement} tag @param {import("./types.js").StreamState | null} state */
export function setLiveTag(tag, state) {
  const [text, look] = state === "live" ? ["Live", "live"] : state === "reconnecting" ? ["Waiting", "live wait"] : state === "ended" ? ["Ended", "live over"] : ["Not live", "live over"];
  tag.className = look;
  say(tag, text);
}

/**
 * A banner that keeps its element, so that nothing jumps and it is read out once.
 * @param {string} testid
 * @param {string} [picture]
 */
export function banner(testid, picture = "again") {
  const first = h("b", { dir: "auto" });
  const second = h("span", { dir: "auto" });
  const actions = h("div", { class: "acts" });
  // Read out once, not at every second of a time that runs.
  const aloud = h("p", { class: "aloud", role: "status" });
  const element = h("div", { class: "note", hidden: true, data: { testid } }, icon(picture), h("div", { class: "txts" }, first, second), aloud, actions);
  return {
    element,
    /**
     * @param {string} what
     * @param {string} [remedy]
     * @param {HTMLElement[]} [buttons] kept while the words stay
     * @param {boolean} [calm] whether it is news rather than trouble
     */
    show(what, remedy = "", buttons = [], calm = false) {
      element.classList.toggle("calm", calm);
      // A button that is put anew loses the focus, and a press that has begun.
      const same = actions.childElementCount === buttons.length && buttons.every((one, at) => actions.children[at] === one);
      if (!same) actions.replaceChildren(...buttons);
      say(first, what);
      tell(second, remedy);
      say(aloud, `${what} ${remedy}`.replace(/ ?\(?\d+(:\d\d)*\)?/g, ""));
      second.hidden = !remedy;
      element.hidden = false;
    },
    hide() {
      element.hidden = true;
      say(first, "");
      say(aloud, "");
    },
  };
}

/**
 * @param {string} testid
 * @param {string} labelledBy id of the words beside it
 * @param {(on: boolean) => void} change
 */
export function toggle(testid, labelledBy, change) {
  const element = h("button", { type: "button", class: "switch", role: "switch", "aria-checked": "false", "aria-labelledby": labelledBy, data: { testid } }, h("i"));
  element.addEventListener("click", () => change(element.getAttribute("aria-checked") !== "true"));
  return {
    element,
    /** @param {boolean} on @param {boolean} [enabled] */
    set(on, enabled = true) {
      element.setAttribute("aria-checked", String(on));
      element.disabled = !enabled;
    },
  };
}

/** @param {string} title @param {string} lead @param {...HTMLElement} actions */
export function empty(title, lead, ...actions) {
  return h("section", { class: "empty", data: { testid: "empty" } }, h("h2", null, title), h("p", null, lead), h("div", { class: "row" }, ...actions));
}

/** @param {HTMLInputElement} range fills the part left of its knob */
export function fill(range) {
  const { min, max, value } = range;
  const share = (Number(value) - Number(min)) / (Number(max) - Number(min) || 1);
  range.style.setProperty("--p", `${Math.round(share * 1000) / 10}%`);
}
