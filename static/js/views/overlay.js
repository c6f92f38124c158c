/**
 * Captions over a video: nothing else, on a transparent background, as a browser source of OBS shows it. The address
 * says how: `?size=48` (pixels), `lines=2`, `position=bottom|middle|top`, `names=0`.
 */

import { ApiError, getChannel } from "../api.js";
import { CaptionsModel, RATE } from "../captions/model.js";
import { TurnList } from "../captions/turns.js";
import { h } from "../dom.js";
import { store } from "../store.js";

/** @typedef {import("../types.js").View} View */

/** After so long without a word there is nothing to read. */
const CLEAR_MS = 8000;
/** More than fits into any number of lines. */
const SHOWN = 12;
const AGAIN_MS = 3000;

/** @param {string | null} text @param {number} least @param {number} most @param {number} otherwise */
function between(text, least, most, otherwise) {
  const value = Number(text);
  return text && Number.isFinite(value) ? Math.min(most, Math.max(least, value)) : otherwise;
}

/** @param {URLSearchParams} query */
export function overlayLook(query) {
  const position = query.get("position") ?? "";
  return {
    size: between(query.get("size"), 12, 200, 44),
    lines: Math.round(between(query.get("lines"), 1, 8, 2)),
    position: ["top", "middle"].includes(position) ? position : "bottom",
    names: query.get("names") !== "0",
  };
}

/** @param {string} slug whether there is such a channel; asks until the server answers */
async function exists(slug) {
  for (;;) {
    try {
      await getChannel(slug).then((channel) => channel.stream && store.learn(channel.stream));
      return true;
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return false;
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}

/** @param {string} slug @returns {Promise<View>} */
export async function overlayView(slug) {
  const look = overlayLook(new URLSearchParams(location.search));
  const page = document.documentElement;
  page.classList.add("overlay");
  page.dataset["position"] = look.position;
  const box = h("div", { class: "over-box", vars: { "--size": `${look.size}px`, "--lines": look.lines }, data: { testid: "overlay" } });
  const element = h("div", { class: "over-video", "aria-label": "Captions" }, box);
  if (!(await exists(slug))) box.append(h("p", { class: "over-words" }, "There is no such channel. Check the address of the browser source."));
  const list = new TurnList();
  list.element.classList.toggle("nameless", !look.names);
  box.append(list.element);
  const model = new CaptionsModel(store.events);
  let newest = "";
  let heard = 0;

  const draw = () => {
    const shown = model.list.filter((caption) => !caption.hidden).slice(-SHOWN);
    const last = shown.at(-1);
    const key = last ? `${last.id}.${last.rev}` : "";
    if (key !== newest) heard = Date.now();
    newest = key;
    const fresh = last && Date.now() - heard < CLEAR_MS ? shown.filter((caption) => caption.end > last.start - 20 * RATE) : [];
    list.show(fresh, (labels) => model.speakers.all(labels));
    box.scrollTop = box.scrollHeight;
  };
  const follow = () => {
    const stream = store.ofChannel(slug);
    model.follow(stream && stream.state !== "ended" ? stream.id : null);
    draw();
  };
  const unwatch = [model.watch(draw), store.watch(follow)];
  const timer = setInterval(follow, 500);
  return {
    element,
    title: "Captions",
    leave() {
      for (const stop of unwatch) stop();
      clearInterval(timer);
      model.stop();
      page.classList.remove("overlay");
    },
  };
}
