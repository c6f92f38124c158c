/** Where the room goes: the disk, and whose recordings take it. */

import { words } from "../api.js";
import { h, say } from "../dom.js";
import { count, size } from "../format.js";
import { avatar } from "../parts.js";
import { getStorage } from "./api.js";

/** @param {number} share 0 to 1 */
function bar(share) {
  return h("span", { class: "share", vars: { "--p": `${Math.round(Math.min(1, share) * 1000) / 10}%` }, "aria-hidden": "true" });
}

export function roomSection() {
  const lead = h("p", { class: "sub", role: "status" }, "Loading…");
  const disk = h("div");
  const list = h("ul", { class: "list tight", data: { testid: "admin-storage" } });
  getStorage().then(
    ({ free_bytes, total_bytes, recordings, bytes, owners }) => {
      say(lead, `${count(recordings, "recording")}, ${size(bytes)}. ${size(free_bytes)} of ${size(total_bytes)} are free.`);
      disk.append(bar(1 - free_bytes / (total_bytes || 1)));
      const most = owners[0]?.bytes || 1;
      list.append(
        ...owners.map((use) => {
          const name = use.name || "An account that is gone";
          return h("li", { class: "person" }, avatar(name, "", 40), h("div", { class: "txts" }, h("b", { dir: "auto" }, name), h("span", { class: "sub" }, `${count(use.recordings, "recording")}, ${size(use.bytes)}`), bar(use.bytes / most)));
        }),
      );
    },
    (error) => say(lead, words(error)),
  );
  return h("div", null, lead, disk, list);
}
