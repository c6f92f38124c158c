/** Who did what, from where, and what came of it. */

import { h, icon } from "../dom.js";
import { exact, relative } from "../format.js";
import { getLog, LOG_FILE } from "./api.js";
import { paged } from "./paged.js";

/** @param {import("./api.js").Entry} entry */
function row(entry) {
  const who = entry.actor_name || "Somebody who had not signed in";
  const what = `${entry.action.replaceAll("-", " ")}${entry.subject ? ` · ${entry.kind} ${entry.subject}` : ""}${entry.detail ? ` · ${entry.detail}` : ""}`;
  const came = entry.result === "ok" ? "" : entry.result.replaceAll("-", " ");
  return h(
    "li",
    { class: "person entry", data: { testid: "log-entry" } },
    h("div", { class: "txts" }, h("b", { dir: "auto" }, who), h("span", { class: "sub", dir: "auto" }, what), came ? h("span", { class: "came" }, came) : null),
    h("span", { class: "sub" }, h("time", { dateTime: entry.at, title: exact(entry.at) }, relative(entry.at)), h("br"), entry.address),
  );
}

export function logSection() {
  const field = h("input", { type: "search", class: "field", placeholder: "An action, like sign-in", "aria-label": "Only this action", data: { testid: "log-action" } });
  const list = paged({ load: (cursor) => getLog({ action: field.value.trim() }, cursor), row, none: "Nothing was noted.", testid: "admin-log" });
  field.addEventListener("change", () => void list.again());
  void list.again();
  const save = h("a", { class: "btn", href: LOG_FILE, download: "audit.jsonl" }, icon("download", 20), "As JSON lines");
  return h("div", null, h("div", { class: "find beside" }, field, save), list.element);
}
