/** The studio: try the microphone, go live, see that one is heard, stop. */

import { endStream, getChannel, getRecording, words } from "../api.js";
import { button, h, icon, say } from "../dom.js";
import { editableTitle } from "../editable.js";
import { clock, here } from "../format.js";
import { banner, liveTag, setLiveTag } from "../parts.js";
import { store } from "../store.js";
import { studioChat } from "../chat/places.js";
import { studioCaptions } from "../studio/captions.js";
import { controls } from "../studio/controls.js";
import { publisher } from "../studio/publisher.js";
import { soundCheck } from "../studio/soundcheck.js";
import { muteButton, stage } from "../studio/stage.js";
import { strip } from "../studio/strip.js";
import { captionChoices } from "../studio/wording.js";
import { endedWords, levelWords, notice } from "../studio/words.js";
import { accessChoice } from "../people/access.js";
import { audience } from "../people/audience.js";
import { copy, toast } from "../toast.js";

/** @typedef {import("../types.js").Channel} Channel */

const NEAR = "Link copied. It opens on this computer only. For others, start the server with `--host 0.0.0.0 --tls self-signed` and copy it from the address that it prints.";

/** @typedef {ReturnType<typeof accessChoice>} AccessChoice */

/** @param {Channel} channel @param {AccessChoice} access */
function copyLink(channel, access) {
  const link = access.choice.state?.access === "link" ? access.choice.state.link : null;
  const whoever = !store.social || link || access.choice.state?.access === "public";
  const done = whoever ? "Link copied. Whoever has it can listen." : "Link copied. Those who may hear you can listen there, once they have signed in.";
  void copy(new URL(link ?? channel.listen_path, location.href).href, here() ? NEAR : done);
}

/** @param {Channel} channel @param {AccessChoice} access */
function heading(channel, access) {
  const title = editableTitle({
    text: channel.name,
    label: "this broadcast",
    testid: "title",
    most: store.config?.max_title ?? 200,
    save: (text) => publisher.setTitle(text),
  });
  const link = h("button", { type: "button", class: "txt", data: { testid: "copy-link" }, on: { click: () => copyLink(channel, access) } }, "Copy link");
  const sub = h("p", { class: "sub address" }, h("span", null, `${location.host}${channel.listen_path}`), h("span", { class: "dim" }, "·"), link);
  return {
    element: h("header", { class: "st-head" }, title.element, sub),
    show: () => title.set(publisher.stream?.title || publisher.title || channel.name),
  };
}

/** @param {Channel} channel @param {AccessChoice} access */
function airInfo(channel, access) {
  const tag = liveTag("live");
  const heard = h("span", { data: { testid: "heard" } });
  const time = h("div", { class: "clock", role: "timer", data: { testid: "clock" } }, "0:00");
  const listeners = audience(publisher, access);
  const mute = muteButton(publisher);
  const link = button("copy-link-live", "Copy link", "link", { class: "btn p-icon", "aria-label": "Copy link", on: { click: () => copyLink(channel, access) } });
  const side = h("div", { class: "side" }, listeners.element, h("div", { class: "row gap" }, mute.button, link));
  return {
    line: h("div", { class: "air-line" }, tag, heard),
    time,
    side,
    show() {
      const { stream } = publisher;
      setLiveTag(tag, publisher.state === "reconnecting" ? "reconnecting" : "live");
      say(heard, publisher.state === "reconnecting" ? "Not heard now" : publisher.muted ? "Muted" : access.heard());
      say(time, clock(stream ? store.position(stream.id) : 0));
      listeners.show();
      mute.show();
    },
    stop: () => listeners.stop(),
  };
}

/** How good the connection is, beside the words on the level. */
function connection() {
  const quality = h("span", { class: "quality", role: "status", data: { testid: "quality" } });
  const figures = h("span", { class: "sub desk" });
  return {
    element: h("div", { class: "conn" }, figures, quality),
    show() {
      say(quality, publisher.state === "reconnecting" ? "No connection" : publisher.quality.words);
      quality.dataset["grade"] = publisher.state === "reconnecting" ? "weak" : publisher.quality.grade;
      say(figures, publisher.quality.detail);
    },
  };
}

/** The note that tells what is wrong, and the card that says how the last broadcast went. */
function notices() {
  const trouble = banner("studio-notice");
  const microphone = button("retry-microphone", "Try again", "again", { on: { click: () => void publisher.microphone.open() } });
  const resume = h("button", { type: "button", class: "btn first", data: { testid: "resume" }, on: { click: () => void publisher.start() } }, icon("mic", 20), "Go on with the stream");
  const seen = h("button", { type: "button", class: "btn", on: { click: () => publisher.seen() } }, "All right");
  const end = h("button", { type: "button", class: "btn", data: { testid: "end-elsewhere" } }, "End it");
  const ended = h("section", { class: "card done", role: "status", hidden: true, data: { testid: "ended" } });
  let shownEnd = "";
  end.addEventListener("click", () => {
    const stream = elsewhere();
    if (stream) endStream(stream.id).then((over) => store.learn(over), (error) => toast(words(error)));
  });

  async function showEnd() {
    const last = publisher.state === "idle" ? publisher.last : null;
    ended.hidden = !last;
    const key = last ? `${last.id} ${last.recording.id} ${Math.floor(last.duration_s)}` : "";
    if (!last || key === shownEnd) return;
    shownEnd = key;
    const { what, remedy } = endedWords(last);
    ended.replaceChildren(h("div", { class: "txts" }, h("b", null, what), h("span", { class: "sub" }, remedy)));
    if (!last.recording.id) return;
    const recording = await getRecording(last.recording.id).catch(() => null);
    if (recording && key === shownEnd) ended.append(h("a", { class: "btn", href: `/recordings/${recording.id}`, data: { testid: "to-recording" } }, icon("play", 20), "Hear the recording"));
  }

  return {
    trouble: trouble.element,
    ended,
    show() {
      const now = notice(publisher, elsewhere());
      const buttons = { microphone, resume, end, seen };
      if (now) trouble.show(now.what, now.remedy, now.actions.map((action) => buttons[action]), now.calm);
      else trouble.hide();
      void showEnd();
    },
  };
}

/** @returns {import("../types.js").Stream | null} the channel's running stream, when it is not this page's */
function elsewhere() {
  const stream = store.me ? store.ofChannel(store.me.channel) : null;
  return stream && stream.state !== "ended" && stream.id !== publisher.streamId ? stream : null;
}

function levelLine() {
  const lead = h("b");
  const rest = h("span");
  const element = h("p", { class: "lvl", "aria-live": "off", data: { testid: "level-words" } }, lead, " ", rest);
  let hinted = 0;
  return {
    element,
    /** @param {string} text */
    hint(text) {
      hinted = performance.now() + 4000;
      element.setAttribute("aria-live", "polite");
      element.classList.remove("warned");
      say(lead, text);
      say(rest, "");
    },
    show() {
      if (performance.now() < hinted && publisher.onAir) return;
      hinted = 0;
      const now = levelWords(publisher);
      // Read aloud only what needs doing, not every pause in the talk.
      element.setAttribute("aria-live", now.warn ? "polite" : "off");
      say(lead, now.lead);
      say(rest, now.rest);
      element.classList.toggle("warned", now.warn);
    },
  };
}

/** @returns {Promise<import("../types.js").View>} */
export async function studioView() {
  const slug = store.me?.channel ?? "";
  const channel = await getChannel(slug).catch(() => null);
  const known = channel ?? { id: "", slug, name: slug, host: "", whip_url: "", whep_url: "", listen_path: `/listen/${slug}`, stream: null };
  const level = levelLine();
  const scene = stage(publisher, level.hint);
  const access = accessChoice(() => (publisher.streamId ? { kind: "streams", id: publisher.streamId } : { kind: "channels", id: slug }));
  const [head, air, link, notes, trio] = [heading(known, access), airInfo(known, access), connection(), notices(), controls(publisher)];
  const [sound, check] = [strip(publisher), soundCheck(publisher)];
  const [captions, wording, chat] = [studioCaptions(publisher), captionChoices(publisher), studioChat(publisher)];
  const place = h("section", { class: "stage" }, head.element, scene.left, scene.meter, scene.right, air.line, air.time, air.side);
  const element = h("div", { class: "col studio" }, place, h("div", { class: "under" }, level.element, link.element), notes.trouble, notes.ended, sound.element, captions.element, chat.element, access.element, trio.element, wording.element, check.element);

  const show = () => {
    element.classList.toggle("on-air", publisher.onAir || publisher.state === "stopping");
    element.classList.toggle("away", publisher.state === "reconnecting");
    for (const part of [access, head, air, link, sound, captions, chat, notes, trio, wording, check, level, scene]) part.show();
  };
  const unwatch = publisher.watch(show);
  const timer = setInterval(show, 250);
  const wake = () => publisher.meter.wake();
  for (const type of ["pointerdown", "keydown"]) document.addEventListener(type, wake);
  if (!publisher.microphone.stream && (await publisher.microphone.allowed())) void publisher.microphone.open();

  return {
    element,
    title: "Studio",
    leave() {
      unwatch();
      clearInterval(timer);
      for (const part of [scene, sound, captions, chat, check, access, air]) part.stop();
      for (const type of ["pointerdown", "keydown"]) document.removeEventListener(type, wake);
      if (publisher.state === "idle") publisher.microphone.close();
    },
  };
}
