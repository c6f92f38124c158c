/** How much room one's sound takes, of how much there is. */

import { h, say } from "../dom.js";
import { size } from "../format.js";
import { getStorage } from "./api.js";

const NEARLY = 0.9;

/** @param {import("./api.js").Storage} storage @returns {string} */
export function storageWords({ used_bytes: used, quota_bytes: quota, bin_bytes: bin, uploads_bytes: uploads }) {
  const parts = [quota === null ? `${size(used)} used` : `${size(used)} of ${size(quota)} used`];
  if (bin > 0) parts.push(`${size(bin)} of it in the bin`);
  if (uploads > 0) parts.push(`${size(uploads)} of it uploaded files`);
  return parts.join(", ");
}

export function storageLine() {
  const text = h("p", { class: "sub", data: { testid: "storage" } });
  const bar = h("span", { class: "share", "aria-hidden": "true", hidden: true });
  const full = h("p", { class: "wrong", hidden: true, role: "status" });
  const element = h("section", { class: "storage", "aria-label": "Storage", hidden: true }, text, bar, full);
  async function load() {
    const storage = await getStorage().catch(() => null);
    element.hidden = storage === null;
    if (!storage) return;
    const { used_bytes: used, quota_bytes: quota, bin_bytes: bin } = storage;
    say(text, `${storageWords(storage)}.`);
    bar.hidden = quota === null;
    if (quota === null) return;
    const share = quota > 0 ? Math.min(1, used / quota) : 1;
    bar.style.setProperty("--p", `${Math.round(1000 * share) / 10}%`);
    full.hidden = share < NEARLY;
    const way = bin > 0 ? "Delete what is in the bin for good, or recordings that you do not need." : "Delete recordings that you do not need, also from the bin.";
    say(full, share >= 1 ? `Your room is used up: nothing more is recorded or uploaded. ${way}` : `Your room is nearly used up. ${way}`);
  }
  return { element, load };
}
