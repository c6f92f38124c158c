/** A recording on a page of another site: play, go to a place, and say plainly when it is not open to whoever looks. */

import { ApiError, getPeaks, getRecording, words } from "./api.js";
import { byId, h, icon, say } from "./dom.js";
import { clock, exact, relative } from "./format.js";
import { openLink } from "./people/api.js";
import { Waveform } from "./recording/waveform.js";

/** @typedef {import("./types.js").Recording} Recording */

const LOOK_AGAIN_MS = 5000;
const READY = new Set(["ready", "recovered"]);

/** @returns {string} of the recording, from the address */
const wantedId = () => decodeURIComponent(location.pathname.split("/").at(-1) ?? "");

/** A link to the page of the server: it opens beside what is framed. @param {string} text @param {string} look */
const toPage = (text, look) => h("a", { class: look, href: `/recordings/${encodeURIComponent(wantedId())}${location.hash}`, target: "_blank", rel: "noopener", data: { testid: "open-page" } }, text);

/** @param {string} title @param {string} text @param {boolean} [open] whether it is worth while to go to the page */
function instead(title, text, open = true) {
  const lead = h("p", { class: "sub", role: "status", data: { testid: "embed-words" } }, text);
  byId("player").replaceChildren(h("h1", null, title), lead, ...(open ? [h("div", { class: "row" }, toPage("Open Clearcast", "btn"))] : []));
  byId("player").removeAttribute("aria-busy");
}

/** @param {unknown} error */
function refuse(error) {
  const status = error instanceof ApiError ? error.status : -1;
  // What is not there and what is not for this person are told alike.
  if (status === 401 || status === 403 || status === 404) return instead("There is nothing here for you to hear", "Either there is no such recording, or whoever it belongs to has not opened it to you. If it is for you, open it on Clearcast and sign in there.");
  instead("The recording did not load", words(error), false);
  setTimeout(() => void main(), LOOK_AGAIN_MS);
  return undefined;
}

/** @param {HTMLAudioElement} sound */
function playButton(sound) {
  const [play, pause] = [icon("play"), icon("pause")];
  const button = h("button", { type: "button", class: "playbtn", data: { testid: "embed-play" } }, play, pause);
  button.addEventListener("click", () => void (sound.paused ? sound.play().catch(() => undefined) : sound.pause()));
  return {
    button,
    show() {
      play.classList.toggle("off", !sound.paused);
      pause.classList.toggle("off", sound.paused);
      button.setAttribute("aria-label", sound.paused ? "Play" : "Pause");
    },
  };
}

/** @param {Recording} recording */
function show(recording) {
  const sound = /** @type {HTMLAudioElement} */ (byId("sound"));
  const control = playButton(sound);
  const time = h("span", { class: "when", data: { testid: "embed-time" } });
  const when = h("time", { dateTime: recording.created_at, title: exact(recording.created_at) }, relative(recording.created_at));
  const trouble = h("p", { class: "sub", role: "status" });
  const place = h("div");
  const title = toPage(recording.title, "");
  title.dir = "auto";
  const head = h("header", { class: "embed-head" }, control.button, h("div", { class: "txts" }, h("b", null, title), h("span", { class: "sub" }, h("span", { dir: "auto" }, recording.host), " · ", when, " · ", time)), h("a", { class: "home", href: "/", target: "_blank", rel: "noopener" }, "Clearcast"));
  /** @type {Waveform | null} */
  let wave = null;
  // What was trimmed away is not sent; places are told on the time of the whole.
  const [begin, end] = recording.trim ? [recording.trim.start_s, recording.trim.end_s] : [0, recording.duration_s];
  const length = () => (Number.isFinite(sound.duration) && sound.duration > 0 ? sound.duration : end - begin);
  const update = () => {
    control.show();
    say(time, `${clock(sound.currentTime)} / ${clock(length())}`);
    wave?.show(begin + sound.currentTime);
  };
  const seek = (/** @type {number} */ seconds) => {
    sound.currentTime = Math.max(0, Math.min(seconds - begin, length()));
    update();
  };
  for (const type of ["play", "pause", "timeupdate", "durationchange", "seeked", "ended"]) sound.addEventListener(type, update);
  sound.addEventListener("error", () => say(trouble, "The sound does not play right now. Load the page again, or open the recording on Clearcast."));
  sound.src = recording.audio_url;
  const at = Number(new URLSearchParams(location.search).get("at"));
  if (at > 0) sound.addEventListener("loadedmetadata", () => seek(at), { once: true });
  document.title = `${recording.title} · Clearcast`;
  byId("player").replaceChildren(head, place, trouble);
  byId("player").removeAttribute("aria-busy");
  update();
  getPeaks(recording.peaks_url).then(
    (peaks) => {
      wave = new Waveform(peaks, recording.duration_s, [begin, end], seek);
      place.replaceChildren(wave.element);
      update();
    },
    () => say(trouble, "The picture of the sound did not load; playing works."),
  );
}

async function main() {
  try {
    const key = new URLSearchParams(location.hash.slice(1)).get("link");
    if (key) await openLink(key).catch(() => undefined);
    const recording = await getRecording(wantedId());
    if (READY.has(recording.state)) return show(recording);
    if (recording.state === "failed") return instead(recording.title, "This recording could not be kept whole and cannot be played.", false);
    instead(recording.title, recording.state === "recording" ? "It is being recorded now, and can be heard here when it is over." : "It is being finished, and can be heard here in a moment.", false);
    setTimeout(() => void main(), LOOK_AGAIN_MS);
  } catch (error) {
    refuse(error);
  }
  return undefined;
}

void main();
