/** Going live from OBS, FFmpeg and others: the address and the key. */

import { words } from "../api.js";
import { h, icon } from "../dom.js";
import { relative } from "../format.js";
import { getStreamKey, newStreamKey, removeStreamKey } from "../people/api.js";
import { toast } from "../toast.js";
import { about, copyLine } from "./pieces.js";

export function streamKeySection() {
  const place = h("div", { data: { testid: "stream-key" } });
  const fresh = h("div", { class: "fresh-secret" });
  const make = h("button", { type: "button", class: "btn first", data: { testid: "new-stream-key" } }, icon("key", 20), h("span", null, "Make a key"));
  const remove = h("button", { type: "button", class: "btn", data: { testid: "remove-stream-key" } }, "Delete it");
  const label = make.querySelector("span");

  async function load() {
    try {
      const key = await getStreamKey();
      const state = key.exists ? `There is a key${key.hint ? ` that begins with ${key.hint}` : ""}${key.created_at ? `, made ${relative(key.created_at)}` : ""}.` : "There is no key yet.";
      place.replaceChildren(copyLine("Server (WHIP)", new URL(key.whip_url, location.href).href, "whip-url", "Address copied."), h("p", { class: "sub" }, state));
      remove.hidden = !key.exists;
      if (label) label.textContent = key.exists ? "Make a new key" : "Make a key";
    } catch (error) {
      place.replaceChildren(h("p", { class: "sub" }, words(error)));
    }
  }
  make.addEventListener("click", async () => {
    try {
      const { key } = await newStreamKey();
      fresh.replaceChildren(copyLine("Bearer token. It is shown only now; the one before does not work any more.", key ?? "", "stream-key-once", "Key copied."));
    } catch (error) {
      toast(words(error));
    }
    await load();
  });
  remove.addEventListener("click", async () => {
    await removeStreamKey().catch((error) => toast(words(error)));
    fresh.replaceChildren();
    await load();
  });
  void load();
  const steps = h("ol", { class: "sub how" }, h("li", null, "In OBS: Settings, Stream, Service: WHIP."), h("li", null, "Server: the address above."), h("li", null, "Bearer Token: the key."), h("li", null, "Start Streaming. It is your channel, with what you chose under Going live."));
  return h("div", null, about("OBS Studio and other programs go live on your channel with this address and this key. Whoever has the key can talk in your name, so show it to nobody."), place, fresh, h("div", { class: "row gap" }, make, remove), steps);
}
