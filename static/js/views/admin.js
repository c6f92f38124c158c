/** What administrators see, in sections: each has an address of its own. */

import { accountsSection } from "../admin/accounts.js";
import { jobsSection } from "../admin/jobs.js";
import { liveSection } from "../admin/live.js";
import { logSection } from "../admin/log.js";
import { machineSection } from "../admin/machine.js";
import { roomSection } from "../admin/room.js";
import { h, icon } from "../dom.js";
import { store } from "../store.js";
import { missingView } from "./missing.js";

/** @type {{ id: string, name: string, about: string, make: () => HTMLElement }[]} */
const SECTIONS = [
  { id: "people", name: "People", about: "Accounts, administrators, passwords", make: accountsSection },
  { id: "live", name: "Live", about: "What is on air now", make: liveSection },
  { id: "storage", name: "Storage", about: "Where the room goes", make: roomSection },
  { id: "jobs", name: "Jobs", about: "What is done in the background", make: jobsSection },
  { id: "log", name: "Audit log", about: "Who did what, from where", make: logSection },
  { id: "server", name: "Server", about: "How it is, and its settings", make: machineSection },
];

/** @param {string} chosen */
function contents(chosen) {
  const rows = SECTIONS.map(({ id, name, about }) => {
    const link = h("a", { class: id === chosen ? "on" : "", href: `/admin/${id}`, data: { testid: `admin-${id}` } }, h("b", null, name), h("span", { class: "sub" }, about));
    if (id === chosen) link.setAttribute("aria-current", "page");
    return h("li", null, link);
  });
  return h("nav", { class: "contents", "aria-label": "Sections" }, h("ul", null, rows));
}

/** @param {string} id @returns {import("../types.js").View} */
export function adminView(id) {
  const section = SECTIONS.find((one) => one.id === (id || "people"));
  if (!section) return missingView();
  if (!store.me?.administrator) return missingView("This is for administrators", "Ask whoever runs this server.");
  const body = h("section", { class: "section", "aria-labelledby": "section-name" }, h("a", { class: "btn quiet backlink", href: "/admin" }, icon("left", 20), "Administration"), h("h2", { id: "section-name" }, section.name), section.make());
  // A phone shows the list or a section; a wide window both.
  const element = h("div", { class: id ? "col settings admin chosen" : "col settings admin" }, h("h1", null, "Administration"), h("div", { class: "sides" }, contents(section.id), body));
  return { element, title: id ? section.name : "Administration" };
}
