/** The captions of a stream as they come, newest at the bottom, with what is to be said about them. */

import { h, icon, say } from "../dom.js";
import { words } from "../api.js";
import { banner } from "../parts.js";
import { toast } from "../toast.js";
import { aloud } from "./aloud.js";
import { getCaptions } from "./api.js";
import { Follow } from "./follow.js";
import { names } from "./speakers.js";
import { TurnList } from "./turns.js";

/** @typedef {import("./model.js").CaptionsModel} CaptionsModel */
/** @typedef {import("./speakers.js").Who} Who */

/** Captions in the document while one follows. */
const SHOWN = 150;
const EARLIER = 100;
/** A name that comes and goes with every breath would make the lines above it dance. */
const LINGER_MS = 2000;

/**
 * Who speaks, before their words are there.
 * @param {CaptionsModel} model
 * @param {() => void} again
 */
function waiting(model, again) {
  const name = h("span", { class: "name", dir: "auto" });
  const mark = h("span", { class: "mark" }, h("i"), name);
  const element = h("div", { class: "turn ghost", hidden: true, "aria-hidden": "true", data: { testid: "speaking" } }, h("header", { class: "who" }, mark), h("p", null, "…"));
  let timer = 0;
  const hide = () => {
    timer = 0;
    element.hidden = true;
    again();
  };
  return {
    element,
    show() {
      const last = model.list.at(-1);
      const talking = last ? model.speakers.all(last.speakers).map(({ label }) => label) : [];
      const labels = model.speaking.filter((label) => !talking.includes(model.speakers.who(label).label));
      const covered = model.speaking.length > 0 && (labels.length === 0 || talking.includes(""));
      if (labels.length === 0 || covered || model.offRecord) {
        // Their words are there now: they take the place at once.
        if (covered || model.offRecord) element.hidden = true;
        else if (!element.hidden && !timer) timer = window.setTimeout(hide, LINGER_MS);
        return;
      }
      clearTimeout(timer);
      timer = 0;
      const who = model.speakers.all(labels);
      mark.className = `mark s${who[0]?.hue ?? 0}`;
      say(name, who[0]?.hue ? names(who) : "Somebody");
      element.hidden = false;
    },
    stop: () => clearTimeout(timer),
  };
}

/** @param {CaptionsModel} model what is to be said about the captions as a whole */
function notes(model) {
  const record = banner("off-record", "lock");
  const trouble = banner("captions-trouble", "warn");
  record.element.classList.add("sealed");
  return {
    elements: [trouble.element, record.element],
    show() {
      if (model.offRecord) record.show("Off the record", "Listeners hear what is said now. It is not written down, and not kept.");
      else record.hide();
      if (model.state?.state === "degraded") trouble.show("Captions are not at their best.", model.state.detail);
      else trouble.hide();
    },
  };
}

/** @param {CaptionsModel} model @returns {string} what stands where there are no captions */
export function stateWords({ state, list }) {
  if (state?.state === "starting") return "Captions are starting…";
  if (state?.state === "off") return state.detail || "Captions are off.";
  if (state?.state === "ok" && list.length === 0) return "Captions appear here as soon as somebody speaks.";
  return "";
}

/** Draws at most once a frame; in a hidden tab once a second. @param {() => void} draw */
function atFrames(draw) {
  let [frame, timer] = [0, 0];
  const run = () => {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
    frame = timer = 0;
    draw();
  };
  return {
    ask() {
      if (frame) return;
      frame = requestAnimationFrame(run);
      timer = window.setTimeout(run, 1000);
    },
    stop() {
      cancelAnimationFrame(frame);
      clearTimeout(timer);
    },
  };
}

export class CaptionsPanel {
  /**
   * @param {CaptionsModel} model
   * @param {import("./turns.js").TurnOptions & { hidden?: boolean, drawn?: () => void }} [options] `hidden`: what a person has
   * hidden is shown, too; `drawn`: called after each change
   */
  constructor(model, options = {}) {
    this.model = model;
    this.options = options;
    this.list = new TurnList(options);
    this.frames = atFrames(() => this.draw());
    this.ghost = waiting(model, () => this.frames.ask());
    this.reader = aloud(model);
    this.about = notes(model);
    this.state = h("p", { class: "cap-state", role: "status", data: { testid: "captions-state" } });
    this.earlier = h("button", { type: "button", class: "btn earlier", hidden: true, data: { testid: "earlier" }, on: { click: () => void this.more() } }, "Earlier captions");
    this.flow = h("div", { class: "flow", tabIndex: 0, role: "region", "aria-label": "Captions", data: { testid: "captions" } }, this.earlier, this.list.element, this.ghost.element, this.state);
    this.jump = h("button", { type: "button", class: "btn first jump-now", hidden: true, data: { testid: "jump-to-now" }, on: { click: () => this.toNow() } }, icon("down", 20), "Jump to now");
    this.element = h("section", { class: "captions", "aria-label": "Captions" }, h("div", { class: "flow-place" }, this.flow, this.jump), this.reader.element, ...this.about.elements);
    this.follow = new Follow(this.flow);
    this.shown = SHOWN;
    this.follow.watch(() => {
      this.jump.hidden = this.follow.on;
      if (this.follow.on) this.frames.ask();
    });
    this.unwatch = model.watch(() => this.frames.ask());
  }

  draw() {
    const { model, list, follow } = this;
    follow.during(() => {
      const all = this.options.hidden ? model.list : model.list.filter((caption) => !caption.hidden);
      const first = follow.on ? all.at(-SHOWN) : all.find(({ id }) => list.spans.has(id));
      // While one reads further up, what is new is added and nothing goes.
      const from = Math.max(0, Math.min(first ? all.indexOf(first) : 0, all.length - this.shown));
      if (follow.on) this.shown = SHOWN;
      list.show(all.slice(follow.on ? -SHOWN : from), (labels) => model.speakers.all(labels));
      this.ghost.show();
      this.earlier.hidden = (follow.on ? all.length <= SHOWN : from === 0) && !model.hasEarlier;
      say(this.state, stateWords(model));
      this.state.hidden = !this.state.textContent;
      this.about.show();
      this.options.drawn?.();
    });
  }

  async more() {
    const { model } = this;
    const count = Math.max(this.shown, this.list.spans.size) + EARLIER;
    this.follow.set(false);
    const first = model.list[0];
    if (first && model.stream && count > model.list.length && model.hasEarlier) {
      this.earlier.disabled = true;
      try {
        model.prepend((await getCaptions(model.stream, { limit: EARLIER, before: first.id })).items);
      } catch (error) {
        toast(words(error));
      } finally {
        this.earlier.disabled = false;
      }
    }
    this.shown = Math.min(model.list.length, count);
    this.draw();
  }

  toNow() {
    this.follow.toEnd();
    this.flow.focus({ preventScroll: true });
  }

  /** Lines have another height: the end stays the end. */
  resized() {
    this.list.loosen();
    this.follow.during(() => {});
  }

  stop() {
    this.unwatch();
    this.frames.stop();
    this.ghost.stop();
    this.reader.stop();
    this.follow.stop();
  }
}
