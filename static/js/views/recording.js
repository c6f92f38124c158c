/** One recording: its sound as a picture, its name, its file. */

import { ApiError, getPeaks, getRecording, renameRecording, words } from "../api.js";
import { downloads } from "../captions/downloads.js";
import { Transcript } from "../captions/transcript.js";
import { recordedChat } from "../chat/places.js";
import { h, icon, say } from "../dom.js";
import { editableTitle } from "../editable.js";
import { clock, exact, relative, size } from "../format.js";
import { accessChoice } from "../people/access.js";
import { player } from "../player/player.js";
import { store } from "../store.js";
import { waveform } from "../waveform.js";
import { shutView } from "./door.js";
import { missingView } from "./missing.js";
import { playable, remove, stateWords } from "./recordings.js";

/** @typedef {import("../types.js").Recording} Recording */

/** @param {Recording} recording @param {HTMLElement} load @param {() => void} gone */
function heading(recording, load, gone) {
  const title = editableTitle({
    text: recording.title,
    label: "this recording",
    testid: "recording-title",
    most: store.config?.max_title ?? 200,
    save: (text) => renameRecording(recording.id, text),
  });
  const when = h("time", { dateTime: recording.created_at, title: exact(recording.created_at) }, relative(recording.created_at));
  const sub = h("p", { class: "sub" }, h("span", { dir: "auto" }, recording.host), " · ", when, " · ", clock(recording.duration_s), recording.size_bytes > 0 ? ` · ${size(recording.size_bytes)}` : "");
  const own = store.owns(recording);
  if (!own) for (const one of title.element.querySelectorAll("button")) one.remove();
  const del = h("button", { type: "button", hidden: !own, class: "btn p-icon", "aria-label": "Delete", data: { testid: "delete" } }, icon("trash", 20), h("span", { class: "desk" }, "Delete"));
  del.addEventListener("click", gone);
  const element = h("header", { class: "rc-head" }, h("div", { class: "txts" }, title.element, sub), h("div", { class: "acts" }, load, del));
  return { element, title };
}

/** Loads the picture of the sound; says so when there is none. @param {Recording} recording @param {HTMLElement} place @param {(at: number) => void} seek */
async function loadWave(recording, place, seek) {
  if (!playable(recording)) return null;
  try {
    const peaks = await getPeaks(recording.peaks_url);
    const wave = waveform(peaks, recording.duration_s, seek);
    place.replaceChildren(wave.element);
    return wave;
  } catch (error) {
    place.replaceChildren(h("p", { class: "sub" }, `The picture of the sound did not load; playing works. ${words(error)}`));
    return null;
  }
}

/**
 * @param {string} id
 * @returns {Promise<import("../types.js").View>}
 */
export async function recordingView(id) {
  try {
    return show(await getRecording(id));
  } catch (error) {
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

/** @param {Recording} first @returns {import("../types.js").View} */
function show(first) {
  let recording = first;
  const { id } = first;
  const source = /** @type {{ kind: "recording", recording: Recording }} */ ({ kind: "recording", recording });
  const state = h("p", { class: "sub", role: "status", data: { testid: "recording-state" } });
  const place = h("div", { class: "wave-place" });
  const again = () => window.dispatchEvent(new PopStateEvent("popstate"));
  const transcript = new Transcript(recording.stream_id, recording.duration_s, (at) => playable(recording) && void player.play(source, at), store.owns(recording));
  const head = heading(recording, downloads(recording, transcript), async () => {
    if (await remove(recording, again)) element.replaceChildren(missingView("The recording was deleted", "Undo is below for a few seconds.").element);
  });
  const swap = h("button", { type: "button", class: "btn first", data: { testid: "play-instead" }, on: { click: () => void player.play(source) } }, icon("play", 20), "Play this");
  head.element.querySelector(".acts")?.prepend(swap);
  const chat = recordedChat(recording.stream_id, (at) => playable(recording) && void player.play(source, at));
  const access = store.social && store.owns(recording) ? accessChoice(() => ({ kind: "recordings", id })) : null;
  access?.show();
  const element = h("div", { class: "col recording" }, head.element, state, h("div", { class: "two" }, h("div", null, place, transcript.lanes.element, chat), transcript.element), ...(access ? [access.element] : []));
  /** @type {Awaited<ReturnType<typeof loadWave>>} */
  let wave = null;

  const update = () => {
    say(state, stateLine(recording));
    const here = player.holds(source);
    swap.hidden = here || !playable(recording);
    wave?.show(here ? player.position : 0);
    transcript.show(here ? player.position : 0);
  };
  const ready = async () => {
    if (playable(recording)) player.offer(source);
    wave = await loadWave(recording, place, (at) => void player.play(source, at));
    update();
  };
  const unsubscribe = store.events.subscribe("recordings", ({ type, data }) => {
    if (type === "snapshot" || data?.id !== id || type === "recording_removed") return;
    const was = playable(recording);
    recording = data;
    source.recording = data;
    head.title.set(recording.title);
    if (!was && playable(recording)) void ready();
  });
  void ready();
  const unwatch = player.watch(update);
  return {
    element,
    title: recording.title,
    leave() {
      unsubscribe();
      unwatch();
      access?.stop();
      wave?.leave();
      transcript.leave();
      if (player.holds(source) && !player.wanted) player.close();
    },
  };
}
