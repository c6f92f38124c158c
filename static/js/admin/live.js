/** Everything that is live, whoever may hear it. */

import { endStream, words } from "../api.js";
import { h, say } from "../dom.js";
import { clock, listening } from "../format.js";
import { avatar } from "../parts.js";
import { toast } from "../toast.js";
import { getAllLive } from "./api.js";

/** @param {import("../types.js").Stream} stream */
function row(stream) {
  const end = h("button", { type: "button", class: "btn", data: { testid: "admin-end" } }, "End");
  const element = h("li", { class: "person" }, avatar(stream.host, stream.state === "live" ? "onair" : "lost", 40), h("div", { class: "txts" }, h("b", { dir: "auto" }, stream.title), h("span", { class: "sub", dir: "auto" }, `${stream.host} · ${clock(stream.duration_s)} · ${listening(stream.listeners)}`)), end);
  end.addEventListener("click", async () => {
    end.disabled = true;
    try {
      await endStream(stream.id);
      element.remove();
    } catch (error) {
      end.disabled = false;
      toast(words(error));
    }
  });
  return element;
}

export function liveSection() {
  const list = h("ul", { class: "list tight", data: { testid: "admin-live" } });
  const state = h("p", { class: "sub", role: "status" }, "Loading…");
  getAllLive().then(
    ({ items }) => {
      list.append(...items.map(row));
      say(state, items.length ? "" : "Nobody is live.");
    },
    (error) => say(state, words(error)),
  );
  return h("div", null, list, state);
}
