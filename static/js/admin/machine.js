/** How the server is, and the settings in force. */

import { words } from "../api.js";
import { h, say } from "../dom.js";
import { relative } from "../format.js";
import { getOverview } from "./api.js";

const NAMES = /** @type {Record<string, string>} */ ({ models: "Models", inference: "Noise removal", captions: "Captions", disk: "Disk", database: "Database" });
const STATES = /** @type {Record<string, string>} */ ({ ok: "well", starting: "starting", degraded: "degraded", failed: "failed", off: "off" });

/** @param {string} name @param {{ state: string, detail: string }} component */
function component(name, { state, detail }) {
  return h("li", { class: "person" }, h("div", { class: "txts" }, h("b", null, NAMES[name] ?? name), h("span", { class: "sub", dir: "auto" }, detail)), h("span", { class: `came ${state === "ok" ? "fine" : ""}` }, STATES[state] ?? state));
}

/** @param {string} text with `code` between grave accents @returns {(string | HTMLElement)[]} */
const marked = (text) => text.split("`").map((part, number) => (number % 2 ? h("code", null, part) : part));

/** @param {unknown} value */
function shown(value) {
  if (value === null || value === "") return "not set";
  if (Array.isArray(value) && value.length === 0) return "none";
  if (typeof value === "object") return Object.entries(value).map(([name, one]) => (Array.isArray(value) ? String(one) : `${name}=${one}`)).join(", ");
  return String(value);
}

/** @param {import("./api.js").Setting} setting */
function row(setting) {
  const value = h("code", null, shown(setting.value));
  return h("tr", { class: setting.default ? "" : "chosen" }, h("th", { scope: "row" }, h("code", null, setting.name), h("p", { class: "sub" }, ...marked(setting.description))), h("td", null, value, setting.default ? null : h("span", { class: "sub" }, " changed")));
}

export function machineSection() {
  const lead = h("p", { class: "sub", role: "status" }, "Loading…");
  const parts = h("ul", { class: "list tight", data: { testid: "components" } });
  const table = h("tbody");
  const place = h("div", { class: "settings-table", hidden: true }, h("table", null, h("thead", null, h("tr", null, h("th", { scope: "col" }, "Setting"), h("th", { scope: "col" }, "In force"))), table));
  getOverview().then(
    (found) => {
      say(lead, `Clearcast ${found.version}, started ${relative(found.started_at)}.`);
      parts.append(...Object.entries(found.components).map(([name, one]) => component(name, one)));
      table.append(...found.settings.map(row));
      place.hidden = false;
    },
    (error) => say(lead, words(error)),
  );
  return h("div", null, lead, parts, h("h3", null, "Settings in force"), place);
}
