/** One file on the page of uploads: what is going on with it, and what can be done. */

import { words } from "../api.js";
import { h, icon, say } from "../dom.js";
import { toast } from "../toast.js";
import { runAgain, setOptions, startUpload } from "./api.js";
import { choices, summary } from "./choices.js";
import { line } from "./line.js";
import { facts, shown, stateOf, verdict } from "./wording.js";

/** @typedef {import("./line.js").Entry} Entry */
/** @typedef {import("./api.js").Options} Options */
/** @typedef {import("./wording.js").Action} Action */

/** @type {Partial<Record<Action, [string, string]>>} label and icon of what is offered first */
const MAIN = {
  pause: ["Pause", "pause"],
  "go-on": ["Go on", "play"],
  retry: ["Try again", "again"],
  choose: ["Choose the file", "upload"],
  start: ["Start", "play"],
};
/** @type {Record<string, string>} */
const PICTURES = { "": "voice", wrong: "warn", wait: "again" };

/** @param {(file: File) => void} chosen */
function picker(chosen) {
  const input = h("input", { type: "file", hidden: true, "aria-hidden": "true", tabIndex: -1, data: { testid: "upload-choose-again" } });
  input.addEventListener("change", () => {
    const [file] = input.files ?? [];
    if (file) chosen(file);
    input.value = "";
  });
  return input;
}

/** @param {Entry} entry @param {File} file */
function goOn(entry, file) {
  const { item } = entry;
  if (!item) return;
  if (file.size !== item.size || file.name !== item.name) {
    toast(`That is another file. “${item.name}” is the one that stopped.`);
    return;
  }
  line.resume(file, `/api/v1/uploads/${encodeURIComponent(item.id)}/content`, entry);
}

/** @param {Promise<import("./api.js").Upload>} asked */
async function told(asked) {
  try {
    line.learn(await asked);
    return true;
  } catch (error) {
    toast(words(error));
    return false;
  }
}

function parts() {
  const picture = h("span", { class: "up-picture", "aria-hidden": "true" });
  const name = h("b", { dir: "auto", data: { testid: "upload-name" } });
  const status = h("span", { class: "sub", dir: "auto", data: { testid: "upload-words" } });
  const bar = h("div", { class: "progress", role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100", hidden: true, data: { testid: "upload-progress" } });
  const main = h("button", { type: "button", class: "btn", data: { testid: "upload-main" } });
  const open = h("a", { class: "btn", data: { testid: "upload-open" } }, icon("play", 20), h("span", null, "Open"));
  const again = h("button", { type: "button", class: "btn icon quiet", "aria-expanded": "false", data: { testid: "upload-again" } }, icon("again", 20));
  const drop = h("button", { type: "button", class: "btn icon quiet", data: { testid: "upload-remove" } });
  const panel = h("div", { class: "up-panel", hidden: true });
  return { picture, name, status, bar, main, open, again, drop, panel };
}

/** @param {import("./api.js").Diagnosis} diagnosis */
function diagnosed(diagnosis) {
  const pairs = facts(diagnosis).map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value)));
  const meaning = verdict(diagnosis);
  return h("div", { data: { testid: "diagnosis" } }, h("dl", { class: "up-facts" }, pairs), meaning ? h("p", { class: "sub" }, meaning) : null);
}

/** @param {Entry} entry @param {"start" | "again"} why @param {() => void} close */
function panelFor(entry, why, close) {
  const { item } = entry;
  if (!item) return [];
  /** @type {Options} */
  let options = item.options;
  const line_ = h("span", { class: "sub" }, summary(options));
  const keep = (/** @type {Options} */ next) => {
    options = next;
    say(line_, summary(options));
    if (why === "start") void told(setOptions(item.id, next));
  };
  const form = choices(options, keep, { titled: true, when: false });
  const shownFacts = item.diagnosis ? diagnosed(item.diagnosis) : null;
  if (why === "start") return [shownFacts, h("details", { class: "fold" }, h("summary", { data: { testid: "upload-options" } }, h("span", { class: "label" }, "Options"), line_), form)];
  const run = h("button", { type: "button", class: "btn first", data: { testid: "upload-run-again" } }, icon("again", 20), "Run again");
  run.addEventListener("click", async () => {
    run.disabled = true;
    if (await told(runAgain(item.id, options))) close();
    run.disabled = false;
  });
  const lead = h("p", { class: "sub" }, item.recording_id ? "It becomes another recording; the one that there is stays." : "It is worked on from the beginning.");
  return [shownFacts, form, h("div", { class: "row gap" }, run, h("button", { type: "button", class: "btn quiet", on: { click: close } }, "Leave it")), lead];
}

export class Row {
  /** @param {Entry} entry */
  constructor(entry) {
    this.entry = entry;
    this.parts = parts();
    const { picture, name, status, bar, main, open, again, drop, panel } = this.parts;
    const choose = picker((file) => goOn(entry, file));
    this.acts = h("div", { class: "acts" }, main, open, again, drop, choose);
    this.element = h("li", { class: "upload", data: { testid: "upload", key: entry.key } }, h("div", { class: "up-line" }, picture, h("div", { class: "txts" }, name, status), this.acts), bar, panel);
    /** Whether one thinks of running it again. */
    this.asked = false;
    this.drawn = "";
    /** What the first button does. @type {Action | undefined} */
    this.first = undefined;
    drop.addEventListener("click", () => void line.remove(entry));
    main.addEventListener("click", () => (this.first === "choose" ? choose.click() : act(entry, this.first)));
    again.addEventListener("click", () => {
      this.asked = !this.asked;
      this.show();
    });
  }

  close() {
    this.asked = false;
    this.show();
    this.parts.again.focus();
  }

  /** @param {Action[]} can @param {boolean} busy whether something would be broken off */
  offer(can, busy) {
    const { main, open, again, drop } = this.parts;
    const { name, item } = this.entry;
    const held = document.activeElement;
    const next = can.find((one) => MAIN[one]);
    const [label, shape] = next ? (MAIN[next] ?? ["", ""]) : ["", ""];
    if (next !== this.first) main.replaceChildren(icon(shape, 20), h("span", null, label));
    this.first = next;
    main.classList.toggle("first", next === "start");
    main.setAttribute("aria-label", `${label} ${name}`);
    main.hidden = !next;
    open.hidden = !can.includes("open") || !item?.recording_id;
    if (item?.recording_id) open.href = `/recordings/${encodeURIComponent(item.recording_id)}`;
    open.setAttribute("aria-label", `Open ${name}`);
    again.hidden = !can.includes("again");
    again.setAttribute("aria-label", `Run ${name} again with other options`);
    again.title = "Run again with other options";
    drop.hidden = !can.includes("remove");
    if (drop.dataset["busy"] !== String(busy)) drop.replaceChildren(icon(busy ? "close" : "trash", 20));
    drop.dataset["busy"] = String(busy);
    drop.setAttribute("aria-label", busy ? `Cancel ${name}` : `Take ${name} off this list`);
    drop.title = busy ? "Cancel" : can.includes("open") ? "Take it off this list; the recording stays" : "Take it off this list";
    // Whoever pressed what is not offered any more stays in this row.
    if (held instanceof HTMLElement && this.acts.contains(held) && held.hidden) [main, open, again, drop].find((one) => !one.hidden)?.focus();
  }

  /** What belongs below: what was found in it, and what is to be done with it. @param {Action[]} can */
  unfold(can) {
    const { item } = this.entry;
    const { panel, again } = this.parts;
    const why = item?.state === "ready_to_start" ? "start" : this.asked && can.includes("again") ? "again" : "";
    again.setAttribute("aria-expanded", String(why === "again"));
    const key = why && item ? `${why} ${item.id} ${JSON.stringify(item.diagnosis)}` : "";
    if (key === this.drawn) return;
    this.drawn = key;
    panel.hidden = !why;
    panel.replaceChildren(...(why ? panelFor(this.entry, why, () => this.close()) : []).filter((one) => one !== null));
  }

  show() {
    const { entry } = this;
    const { picture, name, status, bar } = this.parts;
    const { words: now, share, look, can } = shown(entry);
    say(name, entry.item?.options.title || entry.name);
    name.title = entry.name;
    say(status, now);
    this.element.dataset["look"] = look;
    this.element.dataset["state"] = stateOf(entry);
    const picked = can.includes("open") ? "tick" : (PICTURES[look] ?? "voice");
    if (picture.dataset["icon"] !== picked) picture.replaceChildren(icon(picked));
    picture.dataset["icon"] = picked;
    bar.hidden = share === null || share >= 1;
    bar.style.setProperty("--p", `${Math.round(1000 * (share ?? 0)) / 10}%`);
    bar.setAttribute("aria-valuenow", String(Math.floor(100 * (share ?? 0))));
    bar.setAttribute("aria-label", `Progress of ${entry.name}`);
    this.offer(can, !can.includes("open") && !can.includes("again") && look !== "wrong");
    this.unfold(can);
  }
}

/** @param {Entry} entry @param {Action | undefined} action */
function act(entry, action) {
  if (action === "pause") void entry.transfer?.pause();
  else if (action === "go-on" || action === "retry") line.retry(entry);
  else if (action === "start" && entry.item) void told(startUpload(entry.item.id));
}
