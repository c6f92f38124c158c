/** Files that were chosen together: one line above them, to set options for all and to start all. */

import { words } from "../api.js";
import { h, icon, say } from "../dom.js";
import { count } from "../format.js";
import { toast } from "../toast.js";
import { changeBatch } from "./api.js";
import { choices, usual } from "./choices.js";
import { line } from "./line.js";

/** @typedef {import("./line.js").Entry} Entry */
/** @typedef {import("./api.js").Options} Options */

/** How many the server changes at a time. */
const MOST = 100;
/** Until it is being worked on, what is to be done can be changed. */
const OPEN = new Set(["receiving", "received", "checking", "ready_to_start"]);

/** @param {string} batch @returns {Entry[]} */
const members = (batch) => line.entries.filter((entry) => entry.batch === batch);

/** @param {string[]} ids @param {Options | null} options @param {boolean} start */
async function change(ids, options, start) {
  for (let at = 0; at < ids.length; at += MOST) {
    try {
      const { items } = await changeBatch(ids.slice(at, at + MOST), options, start);
      for (const { upload, error } of items) {
        if (upload) line.learn(upload);
        else toast(error);
      }
    } catch (error) {
      toast(words(error));
    }
  }
}

/** @param {string} batch */
export function batchHead(batch) {
  const text = h("b");
  const far = h("span", { class: "sub" });
  const start = h("button", { type: "button", class: "btn first", data: { testid: "batch-start" } }, icon("play", 20), h("span", null, "Start all"));
  const opener = h("button", { type: "button", class: "btn", "aria-expanded": "false", data: { testid: "batch-options" } }, icon("sliders", 20), h("span", null, "Options for all"));
  const panel = h("div", { class: "up-panel", hidden: true });
  const element = h("div", { class: "batch-head" }, h("div", { class: "up-line" }, h("div", { class: "txts" }, text, far), h("div", { class: "acts" }, opener, start)), panel);

  /** @param {Options} options */
  const set = (options) => {
    const all = members(batch);
    // Those that the server does not know of yet take them along.
    for (const { transfer } of all) if (transfer && !transfer.url) transfer.metadata["options"] = JSON.stringify(options);
    void change(all.flatMap(({ item }) => (item && OPEN.has(item.state) ? [item.id] : [])), options, false);
  };
  opener.addEventListener("click", () => {
    panel.hidden = !panel.hidden;
    opener.setAttribute("aria-expanded", String(!panel.hidden));
    if (!panel.hidden) panel.replaceChildren(choices(members(batch)[0]?.item?.options ?? usual(), set, { when: false }));
  });
  start.addEventListener("click", () => void change(members(batch).flatMap(({ item }) => (item?.state === "ready_to_start" ? [item.id] : [])), null, true));
  return {
    element,
    show() {
      const all = members(batch);
      const done = all.filter(({ item }) => item?.state === "done").length;
      say(text, `${count(all.length, "file")} together`);
      say(far, done === all.length ? "All are recordings now" : `${done} of ${all.length} done`);
      start.hidden = !all.some(({ item }) => item?.state === "ready_to_start");
      opener.hidden = !all.some(({ item, transfer }) => (item ? OPEN.has(item.state) : transfer));
      if (opener.hidden) panel.hidden = true;
    },
  };
}
