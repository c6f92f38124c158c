/** One recording in a list: to hear, to open, where something was said in it, and what else can be done. */

import { renameRecording, words } from "../api.js";
import { h, icon, say } from "../dom.js";
import { clock, exact, relative, size } from "../format.js";
import { menu } from "../menu.js";
import { player } from "../player/player.js";
import { store } from "../store.js";
import { toast } from "../toast.js";
import { collecting } from "./collecting.js";
import { finishing } from "./finishing.js";
import { playable, remove, stateWords } from "./recording.js";

/** @typedef {import("./api.js").Found} Found */
/** @typedef {{ element: HTMLElement, show: () => void, recording: Found }} Row */

/** @param {Found} recording */
function playButton(recording) {
  const source = /** @type {const} */ ({ kind: "recording", recording });
  const [playIcon, pauseIcon] = [icon("play", 22), icon("pause", 22)];
  const element = h("button", { type: "button", class: "btn icon quiet round", data: { testid: "play-recording" } }, playIcon, pauseIcon);
  element.addEventListener("click", () => void (player.holds(source) ? player.toggle() : player.play(source)));
  element.disabled = !playable(recording);
  return {
    element,
    show() {
      const on = player.holds(source) && player.wanted;
      playIcon.classList.toggle("off", on);
      pauseIcon.classList.toggle("off", !on);
      element.setAttribute("aria-label", `${on ? "Pause" : "Play"} ${recording.title}`);
    },
  };
}

/** @param {string} text @param {[number, number][]} marks places in it @returns {(string | HTMLElement)[]} */
export function marked(text, marks) {
  /** @type {(string | HTMLElement)[]} */
  const pieces = [];
  let at = 0;
  for (const [from, to] of [...marks].sort((a, b) => a[0] - b[0])) {
    if (from < at || to <= from) continue;
    pieces.push(text.slice(at, from), h("mark", null, text.slice(from, to)));
    at = to;
  }
  return [...pieces, text.slice(at)].filter((piece) => piece !== "");
}

/** @param {Found} recording @param {string} wanted what was looked for */
function matchList({ id, title, matches = [] }, wanted) {
  if (matches.length === 0) return null;
  const items = matches.map(({ start_s: at, speaker, text, marks }) => {
    const href = `/recordings/${encodeURIComponent(id)}?${new URLSearchParams({ at: at.toFixed(1), find: wanted })}`;
    const said = h("span", { class: "said-there", dir: "auto" }, speaker ? h("strong", null, `${speaker}: `) : null, ...marked(text, marks));
    return h("li", null, h("a", { class: "match-line", href, data: { testid: "match" } }, h("span", { class: "tn" }, clock(at)), said));
  });
  return h("ul", { class: "matches", "aria-label": `Where it was said in ${title}` }, items);
}

/** @param {Found} recording @param {HTMLAnchorElement} title @param {HTMLElement} back what had the focus @param {() => void} reload */
function edit(recording, title, back, reload) {
  const field = h("input", { class: "edit small", value: recording.title, maxLength: store.config?.max_title ?? 200, dir: "auto", "aria-label": `Name of ${recording.title}` });
  let over = false;
  const close = async (/** @type {boolean} */ keep) => {
    if (over) return;
    over = true;
    const next = field.value.trim();
    field.replaceWith(title);
    back.focus();
    if (!keep || !next || next === recording.title) return;
    await renameRecording(recording.id, next).catch((error) => toast(`The name was not saved. ${words(error)}`));
    reload();
  };
  field.addEventListener("keydown", (event) => {
    if (event.isComposing || (event.key !== "Enter" && event.key !== "Escape")) return;
    event.preventDefault();
    void close(event.key === "Enter");
  });
  field.addEventListener("blur", () => void close(true));
  title.replaceWith(field);
  field.select();
}

/** @param {string} testid @param {string} label @param {string} picture @param {() => void} act */
export function item(testid, label, picture, act) {
  return h("button", { type: "button", class: "item", data: { testid }, on: { click: act } }, icon(picture, 20), label);
}

/**
 * @param {Found} recording
 * @param {HTMLAnchorElement} title
 * @param {() => void} reload
 * @param {HTMLElement[]} more what belongs to the list that it stands in
 */
function rowMenu(recording, title, reload, more) {
  const opener = h("button", { type: "button", class: "btn icon quiet", "aria-label": `More for ${recording.title}`, data: { testid: "row-more" } }, icon("more", 22));
  const own = store.owns(recording);
  const load = h("a", { class: "item", href: recording.download_url, download: "", data: { testid: "download" } }, icon("download", 20), "Download the sound");
  const rename = item("rename", "Rename", "pencil", () => {
    card.close();
    edit(recording, title, opener, reload);
  });
  const gone = item("delete", "Delete", "trash", async () => {
    card.close();
    if (await remove(recording, reload)) reload();
  });
  const collect = collecting(recording);
  const card = menu(opener, `For ${recording.title}`, ...(own ? [rename] : []), collect.element, load, ...more, ...(own ? [gone] : []));
  opener.addEventListener("click", () => opener.getAttribute("aria-expanded") === "true" && collect.open());
  card.element.classList.add("row-menu");
  return { element: card.element, close: card.close };
}

/**
 * @param {Found} recording
 * @param {() => void} reload
 * @param {{ wanted?: string, more?: HTMLElement[] }} [options] `wanted`: what was looked for
 * @returns {Row}
 */
export function row(recording, reload, { wanted = "", more = [] } = {}) {
  const play = playButton(recording);
  const title = h("a", { href: `/recordings/${recording.id}`, dir: "auto" }, recording.title);
  const when = h("time", { dateTime: recording.created_at, title: exact(recording.created_at) });
  const state = h("span", { data: { testid: "row-state" } });
  const facts = [h("span", { dir: "auto" }, recording.host), when, clock(recording.plays_s ?? recording.duration_s), recording.size_bytes > 0 ? size(recording.size_bytes) : "", recording.origin === "upload" ? "uploaded" : ""].filter(Boolean);
  const sub = h("span", { class: "sub" }, facts.flatMap((fact, at) => [at ? " · " : "", h("span", { class: "nb" }, fact)]), state);
  const bar = h("div", { class: "progress thin", role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100", "aria-label": `Finishing ${recording.title}`, hidden: true });
  const matches = matchList(recording, wanted);
  const element = h("li", { class: matches ? "found" : "", data: { testid: "recording", key: recording.id } }, play.element, h("div", { class: "txts" }, h("b", null, title), sub, bar), rowMenu(recording, title, reload, more).element, matches);
  return {
    recording,
    element,
    show() {
      const job = finishing.of(recording);
      const now = job && !playable(recording) ? `being finished: ${job.words}` : job ? job.words : stateWords(recording);
      play.show();
      say(when, relative(recording.created_at));
      say(state, now ? ` · ${now}` : "");
      bar.hidden = !job;
      if (!job) return;
      bar.style.setProperty("--p", `${Math.round(1000 * job.share) / 10}%`);
      bar.setAttribute("aria-valuenow", String(Math.floor(100 * job.share)));
    },
  };
}
