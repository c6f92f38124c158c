/** One recording: its sound as a picture, who speaks and what is said in it, and what can be done with it. */

import { ApiError, getPeaks, getRecording, renameRecording, words } from "../api.js";
import { SpeakerCard } from "../captions/speakercard.js";
import { Transcript } from "../captions/transcript.js";
import { h, icon, say } from "../dom.js";
import { editableTitle } from "../editable.js";
import { clock, exact, relative, size } from "../format.js";
import { menu } from "../menu.js";
import { Hearing } from "../player/hearing.js";
import { player } from "../player/player.js";
import { description } from "../recording/description.js";
import { downloads } from "../recording/downloads.js";
import { facts } from "../recording/facts.js";
import { sharing } from "../recording/share.js";
import { keySheet, listenForKeys } from "../recording/shortcuts.js";
import { WhoSpeaks } from "../recording/speakers.js";
import { spectrogram } from "../recording/spectrogram.js";
import { summary } from "../recording/summary.js";
import { trimming } from "../recording/trim.js";
import { Waveform } from "../recording/waveform.js";
import { store } from "../store.js";
import { playable, remove, stateWords } from "../library/recording.js";

/** @typedef {import("../types.js").Recording} Recording */

/** While pages of a transcript come in, what hangs on them is drawn so often. */
const DRAWN_MS = 150;

/** @param {Recording} recording @param {boolean} own @param {HTMLElement[]} acts */
function heading(recording, own, acts) {
  const title = editableTitle({
    text: recording.title,
    label: "this recording",
    testid: "recording-title",
    most: store.config?.max_title ?? 200,
    save: (text) => renameRecording(recording.id, text),
  });
  const sub = h("p", { class: "sub" });
  if (!own) for (const one of title.element.querySelectorAll("button")) one.remove();
  const about = description(recording, own);
  const element = h("header", { class: "rc-head" }, h("div", { class: "txts" }, title.element, sub, about.element), h("div", { class: "acts" }, ...acts));
  return {
    element,
    /** @param {Recording} now */
    show(now) {
      title.set(now.title);
      about.set(now.description ?? "");
      const when = h("time", { dateTime: now.created_at, title: exact(now.created_at) }, relative(now.created_at));
      const parts = [h("span", { dir: "auto" }, now.host), when, clock(now.plays_s ?? now.duration_s), now.size_bytes > 0 ? size(now.size_bytes) : "", now.trim ? "trimmed" : ""].filter(Boolean);
      sub.replaceChildren(...parts.flatMap((one, at) => (at ? [" · ", one] : [one])));
    },
  };
}

/**
 * @param {string} id
 * @returns {Promise<import("../types.js").View>}
 */
export async function recordingView(id) {
  try {
    return new RecordingPage(await getRecording(id)).view();
  } catch (error) {
    // What says so is fetched by those who need it.
    const [{ shutView }, { missingView }] = await Promise.all([import("./door.js"), import("./missing.js")]);
    const shut = shutView("recording", error);
    if (shut) return shut;
    const gone = error instanceof ApiError && error.status === 404;
    return gone ? missingView("There is no such recording", "It may have been deleted.") : missingView("The recording did not load", words(error));
  }
}

/** @param {Recording} recording @returns {string} */
function stateLine(recording) {
  const now = stateWords(recording);
  if (recording.state === "failed") return "This recording could not be kept whole. What there is can be downloaded.";
  if (recording.state === "recovered") return "This recording was recovered after an interruption.";
  return now ? `This recording is ${now}.` : "";
}

class RecordingPage {
  /** @param {Recording} recording */
  constructor(recording) {
    this.recording = recording;
    this.own = store.owns(recording);
    this.source = /** @type {{ kind: "recording", recording: Recording }} */ ({ kind: "recording", recording });
    /** @type {Waveform | null} */
    this.wave = null;
    this.hearing = new Hearing();
    this.drawn = -1;
    this.timer = 0;
    this.here = false;
    this.begun = false;
    /** @type {[number, number][]} */
    this.pauses = [];
    const seek = (/** @type {number} */ at) => this.seek(at);
    this.transcript = new Transcript(recording.stream_id, seek, this.own, recording.origin !== "upload");
    this.who = new WhoSpeaks(recording.id, this.hearing, this.own ? (place, label) => this.card.open(place, label) : null);
    this.card = new SpeakerCard(this.who.element, this.transcript.naming);
    this.trim = trimming(() => this.recording, () => this.wave, (now) => this.learn(now));
    this.spectrogram = spectrogram(recording.id, () => [this.range[0] / recording.duration_s, this.range[1] / recording.duration_s]);
    this.facts = facts(recording.id, seek);
    this.summary = summary(recording.id, this.own, seek);
    this.share = sharing(recording.id, this.own, () => player.holds(this.source));
    this.load = downloads(() => this.recording, this.transcript);
    this.keys = keySheet();
    this.swap = h("button", { type: "button", class: "btn first", data: { testid: "play-instead" }, on: { click: () => void player.play(this.source) } }, icon("play", 20), "Play this");
    this.more = this.further();
    this.head = heading(recording, this.own, [this.swap, this.share.element, this.load.element, this.more.element]);
    this.state = h("p", { class: "sub", role: "status", data: { testid: "recording-state" } });
    this.place = h("div", { class: "wave-place" });
    this.chat = h("div");
    this.element = this.layout();
  }

  layout() {
    const tools = h("div", { class: "row gap rc-tools" }, this.spectrogram.button);
    const left = h("div", { class: "rc-left" }, this.place, this.spectrogram.element, this.trim.element, this.who.element, tools, this.summary.element, this.facts.element, this.chat);
    return h("div", { class: "col recording" }, this.head.element, this.state, h("div", { class: "two" }, left, this.transcript.element), this.keys);
  }

  /** What is done less often. */
  further() {
    const opener = h("button", { type: "button", class: "btn icon", "aria-label": "More", title: "More", data: { testid: "more" } }, icon("more", 20));
    const item = (/** @type {string} */ testid, /** @type {string} */ picture, /** @type {string} */ label, /** @type {() => void} */ act, own = true) => {
      const press = () => {
        card.close();
        act();
      };
      return h("button", { type: "button", class: "item", hidden: own && !this.own, data: { testid }, on: { click: press } }, icon(picture, 20), label);
    };
    const again = () => window.dispatchEvent(new PopStateEvent("popstate"));
    const gone = async () => {
      const { missingView } = await import("./missing.js");
      if (await remove(this.recording, again)) this.element.replaceChildren(missingView("The recording was deleted", "Undo is below for a few seconds.").element);
    };
    const trim = item("trim", "scissors", "Trim", () => this.trim.open());
    const card = menu(opener, "More", trim, item("show-keys", "keyboard", "Keys", () => this.keys.showModal(), false), item("delete", "trash", "Delete", () => void gone()));
    card.element.classList.add("further");
    return { element: card.element, trim };
  }

  /** @param {number} at seconds of the whole */
  seek(at) {
    if (playable(this.recording)) void player.play(this.source, at);
  }

  /** @returns {[number, number]} what is shown: all of it while its owner trims it */
  get range() {
    const { trim, duration_s: duration } = this.recording;
    return trim && !this.trim.on ? [trim.start_s, trim.end_s] : [0, duration];
  }

  /** @param {Recording} now */
  learn(now) {
    const [before, at] = [this.recording, player.position];
    this.recording = this.source.recording = { ...now, facts: now.facts ?? before.facts ?? null };
    this.head.show(now);
    const moved = JSON.stringify(before.trim) !== JSON.stringify(now.trim);
    // What is sent begins elsewhere now.
    if (moved && player.holds(this.source)) player.again(this.source, at);
    this.wave?.setRange(this.range);
    this.spectrogram.place();
    this.drawn = -1;
    this.listen();
    this.load.show();
    this.update();
    if (!playable(before) && playable(now)) void this.ready();
  }

  async ready() {
    if (!playable(this.recording)) return;
    player.offer(this.source);
    this.summary.element.hidden = false;
    try {
      const peaks = await getPeaks(this.recording.peaks_url);
      this.wave?.leave();
      this.wave = new Waveform(peaks, this.recording.duration_s, this.range, (at) => this.seek(at));
      this.place.replaceChildren(this.wave.element);
      this.pauses = peaks.pauses;
    } catch (error) {
      this.place.replaceChildren(h("p", { class: "sub" }, `The picture of the sound did not load; playing works. ${words(error)}`));
    }
    this.drawn = -1;
    this.listen();
    this.update();
    this.begin();
  }

  /** Where the address says: `?at=` seconds, `?find=` words. */
  begin() {
    if (this.begun) return;
    this.begun = true;
    const query = new URLSearchParams(location.search);
    const [at, find] = [Number(query.get("at")), query.get("find")];
    if (at > 0 && player.holds(this.source)) player.seek(at);
    if (find) this.transcript.search.find(find);
  }

  /** Something about the transcript, or whom one hears, is different. */
  listen() {
    if (this.timer) return;
    this.timer = setTimeout(() => {
      this.timer = 0;
      this.draw();
    }, DRAWN_MS);
  }

  draw() {
    const { transcript, hearing } = this;
    const { turns, everybody } = transcript;
    if (this.drawn !== transcript.drawn) {
      this.drawn = transcript.drawn;
      this.who.show(everybody, turns, this.range);
      const by = new Map(everybody.map((who) => [who.label, who]));
      this.wave?.setSpoken(turns.flatMap(({ from, to, who: [label = ""] }) => {
        const who = by.get(label);
        return who ? [{ from, to, hue: who.hue, name: who.name }] : [];
      }));
    }
    if (player.holds(this.source)) {
      player.passages.setPauses(this.pauses);
      player.passages.setHushed(hearing.hushed(turns, this.recording.duration_s));
    }
  }

  update() {
    say(this.state, stateLine(this.recording));
    const here = player.holds(this.source);
    if (here !== this.here) this.listen();
    this.here = here;
    this.swap.hidden = here || !playable(this.recording);
    this.more.trim.hidden = !this.own || !this.wave;
    this.wave?.show(here ? player.position : 0);
    this.transcript.show(here ? player.position : 0);
  }

  /** @returns {import("../types.js").View} */
  view() {
    const { id } = this.recording;
    this.head.show(this.recording);
    this.facts.show(this.recording);
    const unsubscribe = store.events.subscribe("recordings", ({ type, data }) => {
      if (type === "snapshot" || data?.id !== id || type === "recording_removed") return;
      this.learn(data);
      void this.facts.again();
    });
    const acts = { search: () => this.transcript.search.find(""), turn: (/** @type {number} */ by) => this.turn(by), undo: () => void this.transcript.undo() };
    const stops = [
      unsubscribe,
      player.watch(() => this.update()),
      this.transcript.watch(() => this.drawn !== this.transcript.drawn && this.listen()),
      this.hearing.watch(() => this.listen()),
      listenForKeys(() => player.holds(this.source), () => this.seek(player.holds(this.source) ? player.position : 0), acts, this.keys),
    ];
    void this.ready();
    if (store.config?.chat) void this.showChat();
    return { element: this.element, title: this.recording.title, leave: () => this.leave(stops) };
  }

  /** What was written meanwhile stands below everything else, and comes after it. */
  async showChat() {
    try {
      const { recordedChat } = await import("../chat/places.js");
      this.chat.replaceChildren(recordedChat(this.recording.stream_id, (at) => this.seek(at)));
    } catch {
      // The page is whole without; its other requests say so when the server does not answer.
    }
  }

  /** @param {number} by one turn on, or back: to where somebody else begins to speak */
  turn(by) {
    const starts = this.transcript.turns.filter(({ who }, at, all) => who.join() !== all[at - 1]?.who.join()).map(({ from }) => from);
    const now = player.holds(this.source) ? player.position : 0;
    const to = by > 0 ? starts.find((from) => from > now + 0.05) : starts.filter((from) => from < now - 1).at(-1);
    if (to !== undefined) this.seek(to);
  }

  /** @param {(() => void)[]} stops */
  leave(stops) {
    for (const stop of stops) stop();
    clearTimeout(this.timer);
    for (const one of [this.wave, this.who, this.transcript, this.share, this.facts, this.summary]) one?.leave();
    if (player.holds(this.source) && !player.wanted) player.close();
    // Whom one does not hear is chosen on this page: elsewhere everybody is heard again.
    else if (player.holds(this.source)) player.passages.setHushed([]);
  }
}
