/**
 * The one player of the page: a channel live over WHEP, or a recording. It plays on while one moves around.
 */

import { getPeaks } from "../api.js";
import { byId } from "../dom.js";
import { Emitter } from "../emitter.js";
import { recall, remember } from "../settings.js";
import { store } from "../store.js";
import { Listener } from "../whep.js";
import { Delay } from "./delay.js";
import { Passages } from "./passages.js";

/**
 * @typedef {{ kind: "live", channel: import("../types.js").Channel }} LiveSource
 * @typedef {{ kind: "recording", recording: import("../types.js").Recording }} RecordingSource
 * @typedef {LiveSource | RecordingSource} Source
 */

/** @param {Source} source */
export const keyOf = (source) => (source.kind === "live" ? `live:${source.channel.slug}` : `recording:${source.recording.id}`);

export class Player extends Emitter {
  constructor() {
    super();
    this.audio = /** @type {HTMLAudioElement} */ (byId("sound"));
    /** What plays, or would at a press. @type {Source | null} */
    this.source = null;
    /** Whether the person wants to hear it. */
    this.wanted = false;
    /** Whether the browser wants a press before it plays. */
    this.blocked = false;
    this.failed = "";
    /** Why one does not hear a live stream any more, in words, until one plays again. */
    this.removed = "";
    this.muted = false;
    /** By how much live sound comes later than it could, seconds. */
    this.delay = 0;
    this.delayer = new Delay();
    /** @type {Listener | null} */
    this.listener = null;
    this.volume = recall("volume", 1);
    this.speed = recall("speed", 1);
    this.passages = new Passages(this);
    this.audio.volume = this.volume;
    /** iPhones leave the volume to their buttons. */
    this.hasVolume = Math.abs(this.audio.volume - this.volume) < 0.01;
    this.probeVolume();
    for (const type of ["play", "pause", "playing", "waiting", "timeupdate", "durationchange", "seeked", "ratechange"]) {
      this.audio.addEventListener(type, () => this.changed());
    }
    for (const type of ["play", "playing", "seeked"]) this.audio.addEventListener(type, () => this.passages.heed());
    this.audio.addEventListener("ended", () => this.pause());
    this.audio.addEventListener("error", () => this.onError());
    document.addEventListener("visibilitychange", () => this.onVisible());
    store.watch(() => this.changed());
    store.events.whenBack(() => this.listener?.backoff.hurry());
  }

  probeVolume() {
    this.audio.volume = 0.5;
    this.hasVolume = this.audio.volume === 0.5;
    this.audio.volume = this.volume;
  }

  /** Show something to play, unless something else is being heard. @param {Source} source */
  offer(source) {
    if (this.source && (this.wanted || keyOf(this.source) === keyOf(source))) return;
    this.load(source);
    this.changed();
  }

  /** @param {Source} source @returns {boolean} whether this is what the player holds */
  holds(source) {
    return this.source !== null && keyOf(this.source) === keyOf(source);
  }

  /** @param {Source} source @param {number} [at] seconds */
  async play(source, at) {
    if (!this.holds(source)) this.load(source);
    if (at !== undefined) this.seek(at);
    this.wanted = true;
    this.failed = this.removed = "";
    if (source.kind === "live" && !this.listener) this.connect(source.channel);
    if (source.kind === "recording" && this.passages.pauses.length === 0) void this.learnPauses(source);
    await this.sound();
  }

  /** Where nobody is heard: its own page says so, and is not always where one starts it. @param {RecordingSource} source */
  async learnPauses(source) {
    const { pauses } = await getPeaks(source.recording.peaks_url).catch(() => ({ pauses: /** @type {[number, number][]} */ ([]) }));
    if (pauses.length > 0 && this.holds(source) && this.passages.pauses.length === 0) this.passages.setPauses(pauses);
  }

  async toggle() {
    if (this.wanted && !this.blocked) this.pause();
    else if (this.source) await this.play(this.source);
  }

  pause() {
    this.wanted = false;
    this.blocked = false;
    if (this.source?.kind === "live") this.disconnect();
    this.audio.pause();
    this.changed();
  }

  /** Let go of it: the dock leaves. */
  close() {
    this.pause();
    this.unload();
    this.source = null;
    this.changed();
  }

  /** @param {Source} source */
  load(source) {
    this.pause();
    this.unload();
    this.source = source;
    this.failed = this.removed = "";
    this.passages.reset();
    if (source.kind === "recording") {
      const { audio_url: all, trim } = source.recording;
      // Browsers keep what they know of an address: another part needs another one.
      this.audio.src = trim ? `${all}?start=${trim.start_s}&end=${trim.end_s}` : all;
      this.audio.defaultPlaybackRate = this.audio.playbackRate = this.speed;
    } else this.audio.defaultPlaybackRate = this.audio.playbackRate = 1;
  }

  unload() {
    this.disconnect();
    this.audio.removeAttribute("src");
    this.audio.srcObject = null;
    this.audio.load();
  }

  /** @param {import("../types.js").Channel} channel */
  connect(channel) {
    const live = () => store.ofChannel(channel.slug)?.state === "live";
    const listener = new Listener(channel.whep_url, store.config?.ice_servers ?? [], live, () => store.events.connected);
    this.listener = listener;
    // Phones allow sound only to an element that was started by a press, and the sound comes later than the press:
    // so an empty stream starts now; the element may then play whatever connections bring.
    /** @type {MediaStream} */
    let heard = new MediaStream();
    this.audio.srcObject = heard;
    listener.watch(() => {
      if (this.listener !== listener) return;
      if (listener.media && listener.media !== heard) {
        heard = listener.media;
        this.audio.srcObject = heard;
        void this.sound();
      }
      this.applyDelay();
      this.changed();
    });
    void listener.run();
  }

  disconnect() {
    this.listener?.stop();
    this.listener = null;
    this.audio.srcObject = null;
    this.applyDelay();
  }

  get delayable() {
    return this.delayer.way !== "";
  }

  /** @param {number} seconds for live sound; 0: as soon as it is there */
  setDelay(seconds) {
    this.delay = seconds;
    this.applyDelay();
    this.changed();
  }

  applyDelay() {
    const connection = this.listener?.session?.connection ?? null;
    const media = this.listener?.media ?? null;
    const elsewhere = this.delayer.apply(this.delay, connection, media, this.muted ? 0 : this.volume);
    this.audio.muted = this.muted || elsewhere;
  }

  /** Let the element play, if the browser does. */
  async sound() {
    if (!this.audio.srcObject && !this.audio.getAttribute("src")) return this.changed();
    try {
      await this.audio.play();
      this.blocked = false;
    } catch (error) {
      this.blocked = error instanceof DOMException && error.name === "NotAllowedError";
    }
    return this.changed();
  }

  onVisible() {
    // Telephones stop the sound of hidden pages, or after a call; nobody should have to press again.
    if (document.visibilityState === "visible" && this.wanted && this.audio.paused) void this.sound();
  }

  onError() {
    if (this.source?.kind !== "recording" || !this.audio.getAttribute("src")) return;
    this.failed = "This recording cannot be played right now. Try again, or download it.";
    this.wanted = false;
    this.changed();
  }

  /** Of the whole recording: what was trimmed away at its beginning is not sent. @returns {number} seconds */
  get begin() {
    return this.source?.kind === "recording" ? (this.source.recording.trim?.start_s ?? 0) : 0;
  }

  /** The same recording, of which another part is sent now. @param {RecordingSource} source @param {number} at seconds of the whole */
  again(source, at) {
    const { wanted } = this;
    this.load(source);
    this.seek(at);
    if (wanted) void this.play(source);
  }

  /** @returns {number} seconds of what is played */
  get duration() {
    if (this.source?.kind !== "recording") return 0;
    const { trim, duration_s: whole } = this.source.recording;
    const known = trim ? trim.end_s - trim.start_s : whole;
    return Number.isFinite(this.audio.duration) && this.audio.duration > 0 ? this.audio.duration : known;
  }

  /** @returns {number} seconds of the whole recording */
  get position() {
    return this.source?.kind === "recording" ? this.begin + this.audio.currentTime : 0;
  }

  /** @param {number} seconds of the whole recording */
  seek(seconds) {
    if (this.source?.kind !== "recording") return;
    this.audio.currentTime = Math.max(0, Math.min(seconds - this.begin, this.duration));
    this.changed();
  }

  /** @param {number} speed */
  setSpeed(speed) {
    this.speed = speed;
    this.audio.defaultPlaybackRate = this.audio.playbackRate = speed;
    remember("speed", speed);
    this.changed();
  }

  applyVolume() {
    const { gain } = this.passages;
    if (this.hasVolume) this.audio.volume = this.volume * gain;
    else this.audio.muted = this.muted || gain === 0;
  }

  /** @param {number} volume 0 to 1 */
  setVolume(volume) {
    this.volume = volume;
    this.applyVolume();
    this.muted = false;
    this.applyDelay();
    remember("volume", volume);
    this.changed();
  }

  toggleMute() {
    this.muted = !this.muted;
    this.applyDelay();
    this.changed();
  }
}

export const player = new Player();
