/** What one can set about captions while one listens: following, size, sound in time with them, nothing but them. */

import { h, icon, say } from "../dom.js";
import { menu } from "../menu.js";
import { toggle } from "../parts.js";
import { player } from "../player/player.js";
import { recall, remember } from "../settings.js";
import { copy } from "../toast.js";

/** @typedef {import("./model.js").CaptionsModel} CaptionsModel */

/** Until the page has measured it. */
const USUAL_S = 1.8;
const [LEAST_S, MOST_S] = [0.5, 4];
/** A change of less than this is not worth a wobble of the sound. */
const STEP_S = 0.4;

/** @param {CaptionsModel} model the sound, later by what captions need */
function delayChoice(model) {
  let on = recall("caption-delay", false) && player.delayable;
  const text = h("p", { class: "sub", data: { testid: "delay-words" } });
  const control = toggle("delay-sound", "delay-name", (next) => {
    on = next;
    remember("caption-delay", next);
    show();
  });
  const element = h("div", null, h("div", { class: "option" }, h("span", { id: "delay-name" }, "Delay the sound to match the captions"), control.element), text);

  /** @returns {number} seconds */
  function wanted() {
    const seconds = Math.min(MOST_S, Math.max(LEAST_S, Math.round((model.delay ?? USUAL_S) * 10) / 10));
    return player.delay > 0 && Math.abs(seconds - player.delay) < STEP_S ? player.delay : seconds;
  }
  function show() {
    const seconds = on ? wanted() : 0;
    if (seconds !== player.delay) player.setDelay(seconds);
    control.set(on, player.delayable);
    if (!player.delayable) say(text, "This browser cannot delay live sound.");
    else if (on) say(text, `You hear everything ${seconds.toFixed(1)} s later, about when its words appear.`);
    else say(text, "Words appear a moment after they are said.");
  }
  return { element, show, stop: () => player.delay > 0 && player.setDelay(0) };
}

/** @param {() => void} changed nothing but the captions, on the whole window */
function onlyChoice(changed) {
  const back = h("button", { type: "button", class: "btn p-icon only-back", "aria-label": "Show the whole page", data: { testid: "captions-only-back" } }, icon("close", 20), h("span", null, "Show the whole page"));
  const button = h("button", { type: "button", class: "btn wide", data: { testid: "captions-only" } }, icon("expand", 20), "Captions only");
  const set = (/** @type {boolean} */ on) => {
    document.body.classList.toggle("captions-only", on);
    changed();
  };
  const key = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Escape" && document.body.classList.contains("captions-only")) leave();
  };
  const leave = () => {
    set(false);
    button.focus();
  };
  button.addEventListener("click", () => {
    set(true);
    back.focus();
  });
  back.addEventListener("click", leave);
  document.addEventListener("keydown", key);
  return {
    button,
    back,
    stop() {
      document.removeEventListener("keydown", key);
      document.body.classList.remove("captions-only");
    },
  };
}

/**
 * @param {object} options
 * @param {CaptionsModel} options.model
 * @param {import("./panel.js").CaptionsPanel} options.panel
 * @param {ReturnType<typeof import("./size.js").textSize>} options.size
 * @param {string} options.listenPath
 */
export function captionTools({ model, panel, size, listenPath }) {
  const delay = delayChoice(model);
  const only = onlyChoice(() => panel.resized());
  const follow = h("button", { type: "button", class: "btn desk", "aria-pressed": "true", data: { testid: "follow" } }, icon("follow", 20), "Follow");
  follow.addEventListener("click", () => (panel.follow.on ? panel.follow.set(false) : panel.follow.toEnd()));
  const overlay = h("button", { type: "button", class: "btn wide", data: { testid: "copy-overlay" } }, icon("overlay", 20), "Copy address for an overlay");
  const explained = h("p", { class: "sub" }, "Put it on a video stream as a browser source: its background is transparent.");
  overlay.addEventListener("click", () => void copy(new URL(`${listenPath}/overlay`, location.href).href, "Address copied. Add it as a browser source."));
  const opener = h("button", { type: "button", class: "btn icon", "aria-label": "Captions", title: "Captions", data: { testid: "captions-menu" } }, icon("overlay", 24));
  const sizes = h("div", { class: "option phone-row" }, h("span", null, "Text size"), size.stepper());
  const buttons = h("div", { class: "menu-acts" }, only.button, overlay, explained);
  const card = menu(opener, "Captions", sizes, delay.element, buttons);
  only.button.addEventListener("click", () => card.close());

  const unwatch = panel.follow.watch(() => {
    follow.setAttribute("aria-pressed", String(panel.follow.on));
    follow.classList.toggle("pressed", panel.follow.on);
  });
  return {
    elements: [follow, h("div", { class: "desk-row" }, size.stepper()), card.element],
    back: only.back,
    show: () => delay.show(),
    stop() {
      unwatch();
      delay.stop();
      only.stop();
      card.close();
    },
  };
}
