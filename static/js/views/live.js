/** Who is on air. */

import { h, icon, say } from "../dom.js";
import { clock, listening } from "../format.js";
import { empty, liveTag, setLiveTag } from "../parts.js";
import { player } from "../player/player.js";
import { store } from "../store.js";
import { getChannel, words } from "../api.js";
import { toast } from "../toast.js";
import { friends } from "../people/friends.js";
import { face } from "../people/faces.js";
import { railFriends } from "../people/rail.js";
import { welcome } from "../people/welcome.js";

/** @typedef {import("../types.js").Stream} Stream */

/** @param {string} slug */
async function listen(slug) {
  try {
    await player.play({ kind: "live", channel: await getChannel(slug) });
  } catch (error) {
    toast(words(error));
  }
}

/** @param {Stream} stream @param {boolean} first */
function card(stream, first) {
  const tag = liveTag(stream.state);
  const time = h("span", { class: "tn", data: { testid: "live-time" } });
  const count = h("span", { data: { testid: "live-listeners" } });
  const title = h("a", { href: `/listen/${stream.channel.slug}`, dir: "auto" }, stream.title);
  const kept = h("span", { class: "sub kept" });
  const act = h("a", { class: first ? "btn first" : "btn", href: `/listen/${stream.channel.slug}`, "aria-label": `Listen to ${stream.title}`, data: { testid: "listen" } }, icon("play", 20), "Listen");
  act.addEventListener("click", () => void listen(stream.channel.slug));
  const meta = h("div", { class: "meta" }, tag, time, dot(), h("span", { dir: "auto" }, stream.host), dot(), count);
  const host = (stream.owner && friends.get(stream.owner.id)) ?? { display_name: stream.host };
  const ring = face(host, "onair", first ? 80 : 56);
  const element = h("article", { class: `card ${first ? "now1" : "now2"}`, data: { testid: "live-card" } }, ring, h("div", { class: "txts" }, meta, h("h2", null, title), kept), act);
  return {
    element,
    /** @param {Stream} now */
    show(now) {
      setLiveTag(tag, now.state);
      ring.classList.toggle("lost", now.state === "reconnecting");
      ring.classList.toggle("onair", now.state === "live");
      say(time, clock(store.position(now.id)));
      say(count, listening(now.listeners));
      say(title, now.title);
      say(kept, now.state === "reconnecting" ? `${now.host} lost connection. The stream goes on as soon as ${now.host} is back.` : facts(now));
    },
  };
}

/** @param {Stream} stream @returns {string} */
export function facts(stream) {
  const { mode, state } = stream.denoise;
  const noise = mode === "music" ? "Music in stereo" : mode !== "active" ? "The original sound" : state === "ok" ? "Without the noise" : "The original sound for now";
  return `${noise} · ${stream.recording.on ? "being recorded" : "not recorded"}`;
}

function dot() {
  return h("span", { class: "dim", "aria-hidden": "true" }, "·");
}

function nobody() {
  return empty(
    "Nobody is live now",
    "Whoever goes live appears here by itself, with a button to listen. Somebody has to be first: it takes one press in the studio.",
    h("a", { class: "btn first", href: "/", data: { testid: "first-step" } }, icon("mic", 20), "Go to the studio"),
    h("a", { class: "btn", href: "/recordings" }, icon("list", 20), "Hear recordings"),
  );
}

/** @returns {import("../types.js").View} */
export function liveView() {
  const status = h("p", { class: "sub", role: "status" });
  const list = h("div", { class: "cards" });
  const heading = h("h1", { dir: "auto" }, "Live now");
  const element = h("div", { class: "col" }, h("header", { class: "hm-head" }, heading, status), list);
  // A phone has no rail.
  const strip = store.social ? railFriends("fstrip") : null;
  const stripHead = h("h2", { class: "strip-head", hidden: true }, "Friends");
  if (strip) element.append(stripHead, strip.element);
  /** What is shown while nobody is live. @type {{ element: HTMLElement, stop?: () => void, title?: string } | null} */
  let nothing = null;
  /** @type {Map<string, ReturnType<typeof card>>} */
  let cards = new Map();
  let order = "none";

  const show = () => {
    const streams = store.onAir;
    say(status, store.events.connected ? "" : store.loaded ? "Connection lost. Trying again…" : "");
    const lonely = store.social && friends.loaded && friends.people.size === 0;
    const next = streams.map((stream) => stream.id).join() || String(lonely);
    if (next !== order && store.loaded && (!store.social || friends.loaded)) {
      order = next;
      nothing?.stop?.();
      nothing = streams.length > 0 ? null : lonely ? welcome() : { element: nobody() };
      cards = new Map(streams.map((stream, at) => [stream.id, card(stream, at === 0)]));
      list.replaceChildren(...(nothing ? [nothing.element] : [...cards.values()].map((one) => one.element)));
      say(heading, nothing?.title ?? "Live now");
    }
    stripHead.hidden = lonely;
    if (strip) strip.element.hidden = lonely;
    strip?.show();
    for (const stream of streams) cards.get(stream.id)?.show(stream);
  };
  const unwatch = store.watch(show);
  const unfollow = friends.watch(show);
  const timer = setInterval(show, 500);
  return {
    element,
    title: "Live now",
    leave() {
      unwatch();
      unfollow();
      nothing?.stop?.();
      clearInterval(timer);
    },
  };
}
