/** Who speaks in a recording, when, and for how long: legend, editor, map, and whom one hears. */

import { nameButton } from "../captions/speakercard.js";
import { h, icon, say } from "../dom.js";
import { clock } from "../format.js";
import { colour, fit } from "../palette.js";
import { sampleButton } from "./sample.js";

/** @typedef {import("../captions/speakers.js").Who} Who */
/** @typedef {import("../player/hearing.js").Turn} Turn */
/** @typedef {{ element: HTMLElement, canvas: HTMLCanvasElement, who: HTMLElement, share: HTMLElement, alone: HTMLButtonElement, mute: HTMLButtonElement, sample: ReturnType<typeof sampleButton>, name: string }} Row */

/** @param {HTMLCanvasElement} canvas @param {Who} who @param {Turn[]} turns @param {[number, number]} range seconds */
function draw(canvas, who, turns, [from, to]) {
  const surface = fit(canvas);
  if (!surface || to <= from) return;
  const { context, width, height } = surface;
  const scale = width / (to - from);
  context.fillStyle = colour("sunken");
  context.fillRect(0, 0, width, height);
  context.fillStyle = colour(`s${who.hue}`);
  for (const turn of turns) if (turn.who.includes(who.label)) context.fillRect((turn.from - from) * scale, 0, Math.max(1.2, (turn.to - turn.from) * scale), height);
}

/** @param {string} testid @param {string} picture @param {() => void} act */
function choice(testid, picture, act) {
  return h("button", { type: "button", class: "btn quiet icon", "aria-pressed": "false", data: { testid }, on: { click: act } }, icon(picture, 20));
}

export class WhoSpeaks {
  /**
   * @param {string} recording its id
   * @param {import("../player/hearing.js").Hearing} hearing
   * @param {((place: HTMLElement, label: string) => void) | null} open to change who it is
   */
  constructor(recording, hearing, open) {
    this.recording = recording;
    this.hearing = hearing;
    this.open = open;
    /** @type {Map<string, Row>} */
    this.rows = new Map();
    /** @type {[Who[], Turn[], [number, number]]} */
    this.shown = [[], [], [0, 0]];
    this.frame = 0;
    this.list = h("div", { class: "spks" });
    this.told = h("p", { class: "sub", role: "status", hidden: true, data: { testid: "hearing" } });
    this.element = h("section", { class: "who-speaks", hidden: true, "aria-label": "Who speaks" }, h("header", { class: "sec" }, h("h2", null, "Who speaks"), h("span", { class: "sub", hidden: !open }, "A new name goes everywhere at once")), this.list, this.told);
    this.resized = new ResizeObserver(() => this.paint());
    this.resized.observe(this.list);
    this.scheme = window.matchMedia("(prefers-color-scheme: dark)");
    this.repaint = () => this.paint();
    this.scheme.addEventListener("change", this.repaint);
    this.unwatch = hearing.watch(() => this.mark());
  }

  /** @param {Who[]} everybody in order of appearance @param {Turn[]} turns @param {[number, number]} range seconds */
  show(everybody, turns, range) {
    this.shown = [everybody, turns, range];
    this.element.hidden = everybody.length === 0;
    /** @type {Map<string, number>} */
    const seconds = new Map();
    for (const { who, from, to } of turns) for (const label of who) seconds.set(label, (seconds.get(label) ?? 0) + to - from);
    for (const [label, row] of this.rows) {
      if (everybody.some((who) => who.label === label)) continue;
      row.element.remove();
      this.rows.delete(label);
    }
    for (const [at, who] of everybody.entries()) {
      const row = this.row(who);
      if (this.list.children[at] !== row.element) this.list.insertBefore(row.element, this.list.children[at] ?? null);
      const spoken = seconds.get(who.label) ?? 0;
      say(row.share, `${clock(spoken)} · ${Math.round((100 * spoken) / Math.max(0.001, range[1] - range[0]))} %`);
    }
    this.mark();
    this.paint();
  }

  /** @param {Who} who @returns {Row} */
  row(who) {
    let row = this.rows.get(who.label);
    if (!row) {
      const { label } = who;
      const alone = choice("hear-alone", "solo", () => this.hearing.toggleAlone(label));
      const mute = choice("hear-not", "volumeOff", () => this.hearing.toggleMuted(label));
      const sample = sampleButton(`/api/v1/recordings/${encodeURIComponent(this.recording)}/speakers/${encodeURIComponent(label)}/sample`);
      const canvas = h("canvas", { class: "lane", "aria-hidden": "true" });
      const name = h("span", { class: "who" });
      const share = h("span", { class: "sub tn" });
      const element = h("div", { class: "spk", data: { testid: "who-speaks" } }, name, h("span", { class: "hear" }, sample.button, alone, mute), share, canvas);
      row = { element, canvas, who: name, share, alone, mute, sample, name: "" };
      this.rows.set(label, row);
    }
    const key = JSON.stringify(who);
    if (row.name !== key) {
      row.name = key;
      const held = row.who.contains(document.activeElement);
      row.who.replaceChildren(h("span", { class: `mark s${who.hue}` }, h("i"), nameButton(who, this.open, true)));
      if (held) row.who.querySelector("button")?.focus({ preventScroll: true });
      row.sample.say(who.name);
    }
    return row;
  }

  /** Whom one hears. */
  mark() {
    const { hearing } = this;
    const [everybody] = this.shown;
    for (const { label, name } of everybody) {
      const row = this.rows.get(label);
      if (!row) continue;
      const [alone, muted] = [hearing.alone.has(label), hearing.muted.has(label)];
      row.alone.setAttribute("aria-pressed", String(alone));
      row.mute.setAttribute("aria-pressed", String(muted));
      for (const [button, words] of /** @type {[HTMLButtonElement, string][]} */ ([[row.alone, alone ? `Hear the others too, not only ${name}` : `Hear only ${name}`], [row.mute, muted ? `Hear ${name} again` : `Mute ${name}`]])) {
        button.title = words;
        button.setAttribute("aria-label", words);
      }
      row.element.classList.toggle("unheard", !hearing.hears(label));
    }
    this.told.hidden = !hearing.choosy;
    if (hearing.choosy) say(this.told, "Where several speak at once, all of them are heard: their voices cannot be taken apart.");
  }

  paint() {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => {
      const [everybody, turns, range] = this.shown;
      for (const who of everybody) {
        const row = this.rows.get(who.label);
        if (row) draw(row.canvas, who, turns, range);
      }
    });
  }

  leave() {
    cancelAnimationFrame(this.frame);
    this.resized.disconnect();
    this.scheme.removeEventListener("change", this.repaint);
    this.unwatch();
    for (const { sample } of this.rows.values()) sample.stop();
  }
}
