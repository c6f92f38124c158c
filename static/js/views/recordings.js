/** The library: everything one may hear, found by title or by what was said in it. */

import { h, icon } from "../dom.js";
import { count } from "../format.js";
import { findRecordings } from "../library/api.js";
import { asked, filters } from "../library/filters.js";
import { listing } from "../library/listing.js";
import { libraryHead } from "../library/places.js";
import { row } from "../library/row.js";
import { storageLine } from "../library/storage.js";
import { empty } from "../parts.js";

function none() {
  return empty(
    "No recordings yet",
    "What you broadcast is kept here for you to hear and download, until you delete it, and so is what you upload. “Keep a recording” is a switch in the studio.",
    h("a", { class: "btn first", href: "/", data: { testid: "first-step" } }, icon("mic", 20), "Go to the studio"),
    h("a", { class: "btn", href: "/uploads" }, icon("upload", 20), "Upload a file"),
  );
}

/** @returns {import("../types.js").View} */
export function recordingsView() {
  const wanted = filters(() => void list.load());
  const storage = storageLine();
  const list = listing({
    get: (cursor) => findRecordings({ ...asked(wanted.now()), cursor }),
    row: (recording, reload) => row(recording, reload, { wanted: wanted.now()["search"] ?? "" }),
    none: () => (wanted.narrowed() ? empty("Nothing is found", "Neither a title nor what was said fits. Try fewer words, or other filters.") : none()),
    told: ({ total }) => (total === 0 ? "" : wanted.narrowed() ? `${count(total, "recording")} found` : `${total} in all`),
  });
  void list.load();
  void storage.load();
  return {
    element: h("div", { class: "col library" }, libraryHead("/recordings", "Recordings"), wanted.element, list.status, list.element, storage.element),
    title: "Recordings",
    leave() {
      wanted.leave();
      list.leave();
    },
  };
}
