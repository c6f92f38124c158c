/** Who speaks in a recording, when, and for how long: legend, editor and map. */

import { h, say } from "../dom.js";
import { clock } from "../format.js";
import { colour, fit } from "../palette.js";
import { RATE } from "./model.js";
import { nameButton } from "./speakercard.js";

/** @typedef {import("../types.js").Caption} Caption */
/** @typedef {import("./speakers.js").Who} Who */
/** @typedef {import("./speakers.js").Speakers} Speakers */

/** @param {HTMLCanvasElement} canvas @param {Who} who @param {[number, number][]} spoken seconds @param {number} duration */
function draw(canvas, who, spoken, duration) {
  const surface = fit(canvas);
  if (!surface || duration <= 0) return;
  const { context, width, height } = surface;
  context.fillStyle = colour("sunken");
  context.fillRect(0, 0, width, height);
  context.fillStyle = colour(`s${who.hue}`);
  for (const [from, to] of spoken) context.fillRect((from / duration) * width, 0, Math.max(1.5, ((to - from) / duration) * width), height);
}

/**
 * @param {Caption[]} captions
 * @param {Speakers} speakers
 * @returns {Map<string, [number, number][]>} when each speaks, seconds, by label
 */
export function parts(captions, speakers) {
  /** @type {Map<string, [number, number][]>} */
  const found = new Map();
  for (const caption of captions) {
    for (const who of speakers.all(caption.speakers)) {
      const list = found.get(who.label) ?? [];
      list.push([caption.start / RATE, caption.end / RATE]);
      found.set(who.label, list);
    }
  }
  return found;
}

/**
 * @param {number} duration seconds
 * @param {((place: HTMLElement, label: string) => void) | null} open to change who it is
 */
export function lanes(duration, open) {
  const list = h("div", { class: "spks" });
  const element = h("section", { class: "who-speaks", hidden: true, "aria-label": "Who speaks" }, h("header", { class: "sec" }, h("h2", null, "Who speaks"), h("span", { class: "sub", hidden: !open }, "A new name goes everywhere at once")), list);
  /** @type {(() => void)[]} */
  let paints = [];
  const resized = new ResizeObserver(() => paints.forEach((paint) => paint()));
  resized.observe(list);
  const scheme = window.matchMedia("(prefers-color-scheme: dark)");
  const paintAll = () => paints.forEach((paint) => paint());
  scheme.addEventListener("change", paintAll);
  return {
    element,
    /** @param {Caption[]} captions @param {Speakers} speakers */
    show(captions, speakers) {
      const by = parts(captions, speakers);
      const everybody = speakers.present.filter((who) => by.has(who.label));
      element.hidden = everybody.length === 0;
      paints = [];
      const rows = everybody.map((who) => {
        const spoken = by.get(who.label) ?? [];
        const seconds = spoken.reduce((sum, [from, to]) => sum + to - from, 0);
        const canvas = h("canvas", { class: "lane", "aria-hidden": "true" });
        const share = h("span", { class: "sub tn" });
        say(share, `${clock(seconds)} · ${duration > 0 ? Math.round((100 * seconds) / duration) : 0} %`);
        paints.push(() => draw(canvas, who, spoken, duration));
        return h("div", { class: "spk", data: { testid: "who-speaks" } }, h("span", { class: "who" }, h("span", { class: `mark s${who.hue}` }, h("i"), nameButton(who, open))), share, canvas);
      });
      list.replaceChildren(...rows);
      paintAll();
    },
    leave() {
      resized.disconnect();
      scheme.removeEventListener("change", paintAll);
    },
  };
}
