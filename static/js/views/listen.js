/** Listening to one channel. The sound itself is the player's: it goes on when one leaves this page. */

import { ApiError, getChannel, getRecording, getStream, words } from "../api.js";
import { h, icon, say, tell } from "../dom.js";
import { clock, here as atServer, listening } from "../format.js";
import { animate } from "../palette.js";
import { avatar, banner, liveTag, setLiveTag } from "../parts.js";
import { player } from "../player/player.js";
import { store } from "../store.js";
import { Meter } from "../studio/level.js";
import { drawTrace } from "../trace.js";
import { CaptionsModel } from "../captions/model.js";
import { CaptionsPanel } from "../captions/panel.js";
import { textSize } from "../captions/size.js";
import { captionTools } from "../captions/tools.js";
import { chatDrawer } from "../chat/places.js";
import { setDockTools } from "../player/dock.js";
import { facts } from "./live.js";
import { shutView } from "./door.js";
import { missingView } from "./missing.js";
import { noiseSwitch } from "./owner.js";

/** @typedef {import("../types.js").Channel} Channel */
/** @typedef {import("../types.js").Stream} Stream */

/** @param {Channel} channel */
function heading(channel) {
  const face = avatar(channel.host, "", 56);
  const title = h("h1", { dir: "auto", data: { testid: "listen-title" } }, channel.name);
  const tag = liveTag("ended");
  const time = h("b", { class: "tn", data: { testid: "listen-time" } });
  const host = h("span", { dir: "auto" }, channel.host);
  const dot = h("span", { class: "dim", "aria-hidden": "true" }, "·");
  const count = h("span", { data: { testid: "listen-count" } });
  const element = h("header", { class: "li-head" }, face, h("div", { class: "txts" }, title, h("p", { class: "sub" }, tag, time, host, dot, count)));
  return {
    element,
    /** @param {Stream | null} stream */
    show(stream) {
      const running = stream && stream.state !== "ended";
      face.classList.toggle("onair", stream?.state === "live");
      face.classList.toggle("lost", stream?.state === "reconnecting");
      setLiveTag(tag, stream && !store.vanished(stream.id) ? stream.state : null);
      say(title, stream?.title ?? channel.name);
      say(host, stream?.host ?? channel.host);
      say(time, stream ? clock(store.position(stream.id)) : "");
      time.hidden = !stream;
      dot.hidden = !running;
      say(count, running ? listening(stream.listeners) : "");
    },
  };
}

/** The sound one hears, as it comes in. */
function scene() {
  const canvas = h("canvas", { class: "heard-canvas", "aria-hidden": "true" });
  const lead = h("p", { class: "lead", dir: "auto", data: { testid: "listen-lead" } });
  const sub = h("p", { class: "sub", data: { testid: "listen-facts" } });
  const why = h("p", { class: "sub why", dir: "auto", data: { testid: "captions-off" } });
  const meter = new Meter();
  const stop = animate(() => {
    const media = player.source?.kind === "live" && player.wanted ? (player.listener?.media ?? null) : null;
    if (media) meter.listen(media);
    else meter.stop();
    drawTrace(canvas, media ? meter.tracker.bars : []);
  });
  const wake = () => meter.wake();
  const text = h("div", { class: "txts" }, lead, sub, why);
  document.addEventListener("pointerdown", wake);
  return {
    element: h("section", { class: "scene" }, canvas, h("div", { class: "base" }), text),
    words: text,
    lead,
    sub,
    why,
    leave() {
      stop();
      meter.stop();
      void meter.context?.close();
      document.removeEventListener("pointerdown", wake);
    },
  };
}

/**
 * @param {Channel} channel
 * @param {Stream | null} stream
 * @param {boolean} here whether this channel is what the player holds
 * @returns {{ lead: string, facts: string }}
 */
function sceneWords(channel, stream, here) {
  const wanted = here && player.wanted;
  const host = stream?.host ?? channel.host;
  if (stream?.state === "live" || stream?.state === "reconnecting") {
    if (stream.state === "reconnecting") return { lead: "The line is quiet for now.", facts: facts(stream) };
    const lead = wanted ? `You are listening to ${host}.` : `${host} is live. Press play to listen.`;
    return { lead, facts: facts(stream) };
  }
  const lead = wanted ? "Keep this page open: the sound starts by itself." : "Press play and keep this page open: the sound starts by itself.";
  return { lead, facts: "" };
}

/** @param {Stream | null} stream @returns {string} why there are no captions */
function captionWords(stream) {
  if (!stream?.captions || stream.state === "ended" || stream.captions.state !== "off") return "";
  return stream.captions.detail || "There are no captions of this stream.";
}

/** What became of streams of which the server tells no more: they have ended, or are not for oneself any more. */
function whereabouts() {
  /** @type {Map<string, "asked" | "closed">} */
  const found = new Map();

  /** @param {string} id */
  async function ask(id) {
    found.set(id, "asked");
    try {
      store.learn(await getStream(id));
    } catch (error) {
      if (error instanceof ApiError && [401, 404].includes(error.status)) found.set(id, "closed");
      else setTimeout(() => found.delete(id), 5000);
    }
  }

  /** @param {Stream | null} stream @returns {"" | "asked" | "closed"} empty where it is known what became of it */
  return (stream) => {
    if (!stream || !store.vanished(stream.id)) return "";
    if (!found.has(stream.id)) void ask(stream.id);
    return found.get(stream.id) ?? "asked";
  };
}

/** @param {Channel} channel */
function troubleNote(channel) {
  const note = banner("listen-notice");
  const link = h("a", { class: "btn", data: { testid: "to-recording" } }, icon("play", 20), "Hear the recording");
  let asked = "";
  let ready = false;
  const became = whereabouts();

  /** @param {Stream} stream */
  async function look(stream) {
    const { id } = stream.recording;
    if (!id || asked === `${id}${store.known.size}`) return;
    asked = `${id}${store.known.size}`;
    const recording = await getRecording(id).catch(() => null);
    ready = recording !== null && ["ready", "recovered"].includes(recording.state);
    link.href = `/recordings/${id}`;
    if (!ready && recording) setTimeout(() => (asked = ""), 2000);
  }

  return {
    element: note.element,
    /** @param {Stream | null} stream @param {boolean} here */
    show(stream, here) {
      const host = stream?.host ?? channel.host;
      const listener = here ? player.listener : null;
      if (here && player.removed && stream?.state === "live") note.show("You have been removed.", player.removed);
      else if (listener?.state === "retrying") note.show(...lostWords(listener));
      else if (listener?.state === "refused") note.show("This channel cannot be heard.", listener.problem);
      else if (store.events.closing) note.show("The server is starting again.", "The sound comes back by itself.");
      else if (stream?.state === "reconnecting") note.show(...awayWords(host, stream.id));
      else if (stream?.state === "live") degraded(note, stream);
      else if (became(stream) === "closed") note.show("This stream is not available any more.", "Whoever it belongs to has changed who may hear it.", [], true);
      else if (became(stream) === "asked") note.hide();
      else if (stream?.state === "ended") {
        void look(stream);
        note.show("The stream has ended.", stream.recording.id && !ready ? "The recording is being finished." : `When ${host} goes live again, you hear it here.`, ready ? [link] : [], true);
      } else note.show(`${host} is not live yet.`, here && player.wanted ? "This page starts by itself as soon as that changes." : "", [], true);
    },
  };
}

/** @param {import("../whep.js").Listener} listener @returns {[string, string]} */
function lostWords({ attempts, lostAt }) {
  const waited = clock((Date.now() - (lostAt || Date.now())) / 1000);
  if (store.events.closing) return [`The server is starting again. Waiting for it (${waited})…`, "The sound comes back by itself."];
  return [`Connection lost. Trying again (${attempts})…`, `Away for ${waited}. The sound comes back by itself.`];
}

/** @param {string} host @param {string} id @returns {[string, string]} */
function awayWords(host, id) {
  const { waited, left } = store.away(id) ?? { waited: 0, left: 0 };
  const open = left > 0 ? ` The stream stays open for another ${clock(left)}.` : "";
  return [`${host} lost connection. Waiting for ${host} to come back (${clock(waited)}).`, `The sound comes back by itself.${open}`];
}

/** @param {ReturnType<typeof banner>} note @param {Stream} stream */
function degraded(note, stream) {
  const { mode, state, detail } = stream.denoise;
  if (mode !== "active" || state === "ok") return note.hide();
  const what = state === "starting" ? "Noise removal is starting; you hear the original." : "Noise removal is resting; you hear the original.";
  return note.show(what, detail || "It comes back by itself.");
}

/**
 * The captions of whatever stream the channel has, and what one can set about them.
 * @param {Channel} channel
 * @param {HTMLElement} page
 */
function reading(channel, page) {
  const model = new CaptionsModel(store.events);
  const panel = new CaptionsPanel(model);
  const size = textSize(panel.element, () => panel.resized());
  const tools = captionTools({ model, panel, size, listenPath: channel.listen_path });
  panel.element.append(tools.back);
  let tooled = false;
  return {
    element: panel.element,
    /** @param {Stream | null} stream */
    show(stream) {
      // What was said stays to be read when the stream is over.
      if (stream?.captions && stream.state !== "ended") model.follow(stream.id);
      const said = stream !== null && model.stream === stream.id && model.list.length > 0;
      const running = stream?.captions && stream.captions.state !== "off" && stream.state !== "ended";
      const on = Boolean(said || running);
      page.classList.toggle("captioned", on);
      panel.element.hidden = !on;
      if (tooled !== on) setDockTools(...(on ? tools.elements : []));
      tooled = on;
      if (on) tools.show();
    },
    leave() {
      setDockTools();
      tools.stop();
      panel.stop();
      model.stop();
    },
  };
}

/**
 * @param {string} slug
 * @returns {Promise<import("../types.js").View>}
 */
export async function listenView(slug) {
  /** @type {Channel} */
  let channel;
  try {
    channel = await getChannel(slug);
  } catch (error) {
    const shut = shutView("channel", error);
    if (shut) return shut;
    const gone = error instanceof ApiError && error.status === 404;
    return gone ? missingView("There is no such channel", "The link may have a typing mistake. Ask whoever sent it.") : missingView("The channel did not load", words(error));
  }
  if (channel.stream) store.learn(channel.stream);
  const source = /** @type {const} */ ({ kind: "live", channel });
  player.offer(source);
  const [head, place, note, noise] = [heading(channel), scene(), troubleNote(channel), noiseSwitch(store.auth.accounts || atServer())];
  place.words.append(noise.element);
  const swap = h("button", { type: "button", class: "btn first", data: { testid: "listen-instead" }, on: { click: () => void player.play(source) } }, icon("play", 20), "Listen here");
  const chat = chatDrawer();
  head.element.append(swap, chat.button);
  const element = h("div", { class: "col listen" }, head.element, place.element, chat.element);
  const captions = reading(channel, element);
  element.append(captions.element, note.element);

  const show = () => {
    const stream = store.ofChannel(slug);
    const here = player.holds(source);
    const text = sceneWords(channel, stream, here);
    head.show(stream);
    note.show(stream, here);
    noise.show(stream);
    captions.show(stream);
    chat.show(stream);
    swap.hidden = here;
    say(place.lead, text.lead);
    say(place.sub, text.facts);
    tell(place.why, captionWords(stream));
  };
  const unwatch = player.watch(show);
  const timer = setInterval(show, 500);
  return {
    element,
    title: channel.name,
    leave() {
      unwatch();
      clearInterval(timer);
      place.leave();
      captions.leave();
      chat.stop();
      if (player.holds(source) && !player.wanted) player.close();
    },
  };
}
