/** What was deleted, for as long as it can be taken back. */

import { restoreRecording, words } from "../api.js";
import { h, icon } from "../dom.js";
import { clock, count, exact, size } from "../format.js";
import { deleteForGood, findRecordings } from "../library/api.js";
import { listing } from "../library/listing.js";
import { libraryHead } from "../library/places.js";
import { storageLine } from "../library/storage.js";
import { empty } from "../parts.js";
import { later } from "../people/undo.js";
import { toast } from "../toast.js";

/** @typedef {import("../library/api.js").Found} Found */

/** Deleted for good in a moment. @type {Set<string>} */
const leaving = new Set();

const DAY_MS = 86_400_000;

/** @param {string} until @returns {string} */
function leftWords(until) {
  const days = Math.ceil((Date.parse(until) - Date.now()) / DAY_MS);
  return days <= 1 ? "gone for good within a day" : `gone for good in ${days} days`;
}

/** @param {Found} recording @param {() => void} reload */
function row(recording, reload) {
  const { id, title, gone_at: until } = recording;
  const when = until ? h("time", { dateTime: until, title: exact(until) }, leftWords(until)) : null;
  const facts = [clock(recording.plays_s ?? recording.duration_s), recording.size_bytes > 0 ? size(recording.size_bytes) : null, when].filter((one) => one !== null);
  const back = h("button", { type: "button", class: "btn", "aria-label": `Restore ${title}`, data: { testid: "restore" } }, icon("back", 20), h("span", null, "Restore"));
  const gone = h("button", { type: "button", class: "btn icon quiet", "aria-label": `Delete ${title} for good`, title: "Delete for good", data: { testid: "delete-forever" } }, icon("trash", 20));
  const element = h("li", { data: { testid: "binned", key: id } }, h("div", { class: "txts" }, h("b", { dir: "auto" }, title), h("span", { class: "sub" }, facts.flatMap((fact, at) => (at ? [" · ", fact] : [fact])))), back, gone);
  back.addEventListener("click", async () => {
    back.disabled = true;
    try {
      await restoreRecording(id);
      toast(`“${title}” is among the recordings again.`);
    } catch (error) {
      toast(`“${title}” was not restored. ${words(error)}`);
    }
    reload();
  });
  gone.addEventListener("click", () => {
    leaving.add(id);
    reload();
    const undone = () => {
      leaving.delete(id);
      reload();
    };
    void later(`“${title}” is deleted for good.`, (now) => deleteForGood(id, now), undone).then(() => {
      leaving.delete(id);
      reload();
    });
  });
  return { element, show: () => undefined };
}

/** @returns {import("../types.js").View} */
export function binView() {
  const storage = storageLine();
  const list = listing({
    async get(cursor) {
      const page = await findRecordings({ binned: "true", cursor });
      void storage.load();
      return { ...page, items: page.items.filter(({ id }) => !leaving.has(id)), total: page.total - page.items.filter(({ id }) => leaving.has(id)).length };
    },
    row,
    none: () => empty("The bin is empty", "A recording that you delete stays here for a while, and can be taken back until then. Afterwards it is gone for good."),
    told: ({ total }) => (total > 0 ? count(total, "recording") : ""),
  });
  void list.load();
  const lead = h("p", { class: "sub about" }, "What was deleted can be taken back for a while. It takes room until it is gone for good.");
  return { element: h("div", { class: "col library" }, libraryHead("/bin", "Bin"), lead, list.status, list.element, storage.element), title: "Bin", leave: list.leave };
}
