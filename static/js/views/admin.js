/** What administrators see, in sections: each has an address of its own. */

import { accountsSection } from "../admin/accounts.js";
import { jobsSection } from "../admin/jobs.js";
import { liveSection } from "../admin/live.js";
import { logSection } from "../admin/log.js";
import { machineSection } from "../admin/machine.js";
import { roomSection } from "../admin/room.js";
import { store } from "../store.js";
import { missingView } from "./missing.js";
import { sectionsView } from "./sections.js";

/** @type {[import("./sections.js").Section, ...import("./sections.js").Section[]]} */
const SECTIONS = [
  { id: "people", name: "People", about: "Accounts, administrators, passwords", make: accountsSection },
  { id: "live", name: "Live", about: "What is on air now", make: liveSection },
  { id: "storage", name: "Storage", about: "Where the room goes", make: roomSection },
  { id: "jobs", name: "Jobs", about: "What is done in the background", make: jobsSection },
  { id: "log", name: "Audit log", about: "Who did what, from where", make: logSection },
  { id: "server", name: "Server", about: "How it is, and its settings", make: machineSection },
];

/** @param {string} id @returns {Promise<import("../types.js").View>} */
export async function adminView(id) {
  if (!store.me?.administrator) return missingView("This is for administrators", "Ask whoever runs this server.");
  return sectionsView({ name: "Administration", path: "admin", look: "admin", list: SECTIONS }, id);
}
