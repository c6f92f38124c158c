/** Files that were recorded elsewhere: brought here, and made into recordings. */

import { h, say } from "../dom.js";
import { redraw } from "../people/focus.js";
import { batchHead } from "../uploads/batch.js";
import { choices, keepUsual, summary, usual } from "../uploads/choices.js";
import { line } from "../uploads/line.js";
import { Row } from "../uploads/row.js";
import { stateOf } from "../uploads/wording.js";
import { zone } from "../uploads/zone.js";

/** @typedef {import("../uploads/line.js").Entry} Entry */

/** @returns {{ element: HTMLElement, now: () => import("../uploads/api.js").Options }} what files that are added begin with */
function ahead() {
  let options = usual();
  const words = h("span", { class: "sub" }, summary(options));
  const form = choices(options, (next) => {
    options = next;
    keepUsual(next);
    say(words, summary(next));
  });
  const start = form.querySelector(".start-line");
  const more = h("details", { class: "fold" }, h("summary", { data: { testid: "upload-defaults" } }, h("span", { class: "label" }, "Options"), words), form);
  return { element: h("div", { class: "ahead" }, start instanceof HTMLElement ? start : null, more), now: () => options };
}

/** What a screen reader is told, when something has come to an end. */
function announcer() {
  const element = h("p", { class: "aloud", role: "status" });
  /** @type {Map<string, string>} */
  const before = new Map();
  return {
    element,
    /** @param {Entry} entry */
    show(entry) {
      const { key, name, item, transfer, refused } = entry;
      const now = stateOf(entry);
      const was = before.get(key);
      before.set(key, now);
      if (was === undefined ? now !== "refused" : was === now) return;
      if (now === "done") say(element, `${name} is a recording now.`);
      else if (now === "ready_to_start") say(element, `${name} was looked at and can be started.`);
      else if (now === "stored") say(element, `All of ${name} is there.`);
      else if (now === "failed" || now === "refused") say(element, `${name}: ${item?.detail || transfer?.error || refused}`);
    },
  };
}

/** @returns {import("../types.js").View} */
export function uploadsView() {
  line.follow();
  const options = ahead();
  const drop = zone((files) => line.add(files, options.now()));
  const list = h("div", { class: "uploads", data: { testid: "uploads" } });
  const none = h("p", { class: "sub none", data: { testid: "empty" } }, "What you add is listed here: how far it is, and what became of it. When it is done it is among your recordings, with its noise taken out and what was said written down.");
  const aloud = announcer();
  const more = h("button", { type: "button", class: "btn more-rows", hidden: true, data: { testid: "more" }, on: { click: () => void line.more() } }, "Show older ones");
  const element = h("div", { class: "col" }, h("h1", null, "Uploads"), h("p", { class: "sub" }, "Sound that was recorded elsewhere becomes a recording like any other."), drop.element, options.element, none, list, more, aloud.element);
  /** @type {Map<string, Row>} */
  const rows = new Map();
  /** @type {Map<string, ReturnType<typeof batchHead>>} */
  const heads = new Map();
  let laid = "";

  /** @param {Entry} entry */
  function rowOf(entry) {
    const known = rows.get(entry.key) ?? new Row(entry);
    rows.set(entry.key, known);
    return known;
  }

  /** @param {Entry[][]} groups */
  function lay(groups) {
    redraw(list, () =>
      list.replaceChildren(
        ...groups.map((group) => {
          const batch = group.length > 1 ? (group[0]?.batch ?? "") : "";
          const head = batch ? (heads.get(batch) ?? batchHead(batch)) : null;
          if (head) heads.set(batch, head);
          return h("section", { class: "batch" }, head?.element, h("ul", { class: "list tight" }, group.map((entry) => rowOf(entry).element)));
        }),
      ),
    );
  }

  const unwatch = line.watch(() => {
    const groups = grouped(line.entries);
    const now = groups.map((group) => group.map(({ key }) => key).join(" ")).join("|");
    if (now !== laid) lay(groups);
    laid = now;
    none.hidden = line.entries.length > 0;
    drop.show();
    more.hidden = line.older === null;
    for (const entry of line.entries) {
      rowOf(entry).show();
      aloud.show(entry);
    }
    for (const head of heads.values()) head.show();
  });
  return {
    element,
    title: "Uploads",
    leave() {
      unwatch();
      drop.leave();
    },
  };
}

/** @param {Entry[]} entries @returns {Entry[][]} those of one batch together, where its newest stands */
function grouped(entries) {
  /** @type {Map<string, Entry[]>} */
  const groups = new Map();
  for (const entry of entries) {
    const key = entry.batch || entry.key;
    groups.set(key, [...(groups.get(key) ?? []), entry]);
  }
  return [...groups.values()];
}
