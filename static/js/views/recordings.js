/** The recordings one has, newest first. */

import { deleteRecording, getRecordings, renameRecording, restoreRecording, words } from "../api.js";
import { h, icon, say } from "../dom.js";
import { clock, exact, relative, size } from "../format.js";
import { empty } from "../parts.js";
import { player } from "../player/player.js";
import { store } from "../store.js";
import { toast } from "../toast.js";

/** @typedef {import("../types.js").Recording} Recording */

const STATES = {
  recording: "being recorded now",
  finishing: "being finished",
  ready: "",
  failed: "could not be kept whole",
  recovered: "recovered after an interruption",
};

/** @param {Recording} recording @returns {string} empty while all is well */
export function stateWords(recording) {
  return STATES[recording.state] ?? "";
}

/** @param {Recording} recording @returns {boolean} */
export function playable(recording) {
  return recording.state === "ready" || recording.state === "recovered";
}

/**
 * Delete, and offer to undo it.
 * @param {Recording} recording
 * @param {() => void} [undone]
 */
export async function remove(recording, undone) {
  try {
    await deleteRecording(recording.id);
  } catch (error) {
    toast(`“${recording.title}” was not deleted. ${words(error)}`);
    return false;
  }
  if (player.holds({ kind: "recording", recording })) player.close();
  const undo = () => restoreRecording(recording.id).then(() => undone?.(), (error) => toast(words(error)));
  toast(`Deleted “${recording.title}”.`, { label: "Undo", act: () => void undo() });
  return true;
}

/** @param {Recording} recording @param {() => void} reload */
export function row(recording, reload) {
  const source = /** @type {const} */ ({ kind: "recording", recording });
  const [playIcon, pauseIcon] = [icon("play", 22), icon("pause", 22)];
  const play = h("button", { type: "button", class: "btn icon quiet round", data: { testid: "play-recording" } }, playIcon, pauseIcon);
  play.addEventListener("click", () => void (player.holds(source) ? player.toggle() : player.play(source)));
  play.disabled = !playable(recording);
  const title = h("a", { href: `/recordings/${recording.id}`, dir: "auto" }, recording.title);
  const when = h("time", { dateTime: recording.created_at, title: exact(recording.created_at) });
  const facts = [recording.host, when, clock(recording.duration_s), recording.size_bytes > 0 ? size(recording.size_bytes) : "", stateWords(recording)].filter(Boolean);
  const sub = h("span", { class: "sub" }, facts.flatMap((fact, at) => (at ? [" · ", fact] : [fact])));
  const load = h("a", { class: "btn icon quiet", href: recording.download_url, download: "", "aria-label": `Download ${recording.title}`, data: { testid: "download" } }, icon("download", 20));
  const del = h("button", { type: "button", class: "btn icon quiet", "aria-label": `Delete ${recording.title}`, data: { testid: "delete" } }, icon("trash", 20));
  del.addEventListener("click", async () => (await remove(recording, reload)) && reload());
  const rename = h("button", { type: "button", class: "btn icon quiet", "aria-label": `Rename ${recording.title}`, data: { testid: "rename" }, on: { click: () => edit(recording, title, reload) } }, icon("pencil", 20));
  const own = store.owns(recording);
  const element = h("li", { data: { testid: "recording" } }, play, h("div", { class: "txts" }, h("b", null, title), sub), ...(own ? [rename] : []), load, ...(own ? [del] : []));
  return {
    element,
    show() {
      const on = player.holds(source) && player.wanted;
      playIcon.classList.toggle("off", on);
      pauseIcon.classList.toggle("off", !on);
      play.setAttribute("aria-label", `${on ? "Pause" : "Play"} ${recording.title}`);
      say(when, relative(recording.created_at));
    },
  };
}

/** @param {Recording} recording @param {HTMLAnchorElement} title @param {() => void} reload */
function edit(recording, title, reload) {
  const field = h("input", { class: "edit small", value: recording.title, maxLength: store.config?.max_title ?? 200, dir: "auto", "aria-label": `Name of ${recording.title}` });
  let over = false;
  const close = async (/** @type {boolean} */ keep) => {
    if (over) return;
    over = true;
    const next = field.value.trim();
    field.replaceWith(title);
    title.focus();
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

function none() {
  return empty(
    "No recordings yet",
    "What you broadcast is kept here for you to hear and download, until you delete it. Start one in the studio; “Keep a recording” is a switch there.",
    h("a", { class: "btn first", href: "/", data: { testid: "first-step" } }, icon("mic", 20), "Go to the studio"),
  );
}

/** @returns {import("../types.js").View} */
export function recordingsView() {
  const status = h("p", { class: "sub", role: "status" }, "Loading the list…");
  const list = h("ul", { class: "list" });
  const more = h("button", { type: "button", class: "btn", hidden: true, data: { testid: "more" } }, "Show more");
  const place = h("div", null, list);
  const element = h("div", { class: "col" }, h("header", { class: "hm-head" }, h("h1", null, "Recordings"), status), place, more);
  /** @type {ReturnType<typeof row>[]} */
  let rows = [];
  /** @type {string | null} */
  let next = null;
  let turn = 0;

  /** @param {string | null} [cursor] */
  async function load(cursor = null) {
    const mine = ++turn;
    try {
      const page = await getRecordings(cursor);
      if (mine !== turn) return;
      const added = page.items.map((recording) => row(recording, () => void load()));
      rows = cursor ? [...rows, ...added] : added;
      next = page.next;
      say(status, page.total > 0 ? `${page.total} in all` : "");
      list.replaceChildren(...rows.map((one) => one.element));
      place.replaceChildren(rows.length > 0 ? list : none());
      more.hidden = !next;
      rows.forEach((one) => one.show());
    } catch (error) {
      say(status, words(error));
      setTimeout(() => mine === turn && void load(cursor), 3000);
    }
  }
  more.addEventListener("click", () => void load(next));
  void load();
  const unsubscribe = store.events.subscribe("recordings", ({ type }) => {
    const editing = list.contains(document.activeElement) && document.activeElement instanceof HTMLInputElement;
    if (type !== "snapshot" && !editing) void load();
  });
  const unwatch = player.watch(() => rows.forEach((one) => one.show()));
  return {
    element,
    title: "Recordings",
    leave() {
      turn += 1;
      unsubscribe();
      unwatch();
    },
  };
}
