/**
 * One's own broadcast: from Go live to Stop, through lost connections, whatever page is open meanwhile.
 */

import { ApiError, changeStream, endStream, getStream, words } from "../api.js";
import { Backoff } from "../backoff.js";
import { Emitter } from "../emitter.js";
import { broken, disconnect } from "../peer.js";
import { measure, UNKNOWN } from "../quality.js";
import { recall, remember } from "../settings.js";
import { store } from "../store.js";
import { publish, whipUrl } from "../whip.js";
import { Changes } from "./changes.js";
import { Meter } from "./level.js";
import { Microphone } from "./microphone.js";
import { Wake } from "./wake.js";

/** @typedef {"idle" | "starting" | "live" | "reconnecting" | "stopping"} PublishState */

const QUALITY_MS = 2000;

export class Publisher extends Emitter {
  constructor() {
    super();
    this.microphone = new Microphone();
    this.meter = new Meter();
    this.wake = new Wake();
    /** @type {PublishState} */
    this.state = "idle";
    /** @type {string | null} */
    this.streamId = null;
    this.attempts = 0;
    this.muted = false;
    this.title = "";
    this.denoise = recall("denoise", true);
    /** @type {boolean | null} null: as the server does by default */
    this.record = recall("record", null);
    /** How much of the noise goes, as this browser remembers it. @type {{ strength?: number, postFilter?: boolean }} */
    this.amount = recall("amount", {});
    this.changes = new Changes((change) => this.tell(change));
    /** What went wrong, in words, until the next start. */
    this.problem = "";
    /** How the last broadcast ended. @type {import("../types.js").Stream | null} */
    this.last = null;
    this.quality = UNKNOWN;
    /** @type {import("../peer.js").Session | null} */
    this.session = null;
    /** @type {RTCRtpSender | null} */
    this.sender = null;
    this.backoff = new Backoff(500, 5000);
    this.ending = new AbortController();
    this.microphone.watch(() => this.onMicrophone());
    store.watch(() => this.onStore());
    window.addEventListener("online", () => this.backoff.hurry());
    window.addEventListener("beforeunload", (event) => this.onAir && event.preventDefault());
  }

  get onAir() {
    return this.state === "live" || this.state === "reconnecting";
  }

  get recording() {
    return this.record ?? store.config?.record_default ?? true;
  }

  /** @returns {number} 0, all the noise stays, to 1, all of it goes */
  get strength() {
    const chosen = this.changes.pending("denoise_strength");
    const now = this.onAir ? this.stream?.denoise.strength : undefined;
    return chosen ?? now ?? this.amount.strength ?? store.config?.denoise_strength_default ?? 1;
  }

  get postFilter() {
    const chosen = this.changes.pending("post_filter");
    const now = this.onAir ? this.stream?.denoise.post_filter : undefined;
    return chosen ?? now ?? this.amount.postFilter ?? store.config?.post_filter_default ?? false;
  }

  /** @returns {import("../types.js").Stream | null} one's stream as the server knows it */
  get stream() {
    return this.streamId ? store.stream(this.streamId) : null;
  }

  async start() {
    if (this.state !== "idle") return;
    this.become("starting");
    this.problem = "";
    this.last = null;
    await this.microphone.turn;
    const track = this.microphone.track ?? (await this.microphone.open());
    if (!track) return this.become("idle");
    this.ending = new AbortController();
    try {
      await this.connect(this.ending.signal);
    } catch (error) {
      this.problem = words(error);
      return this.become("idle");
    }
    await this.wake.hold();
    void this.run(this.ending.signal);
    return undefined;
  }

  /** @param {AbortSignal} signal set when it is to stop */
  async connect(signal) {
    const track = this.microphone.track;
    const me = store.me;
    if (!track || !me) throw new ApiError(0, "not-ready", "The page is not ready yet. Try again in a moment.");
    const url = whipUrl(me.channel, {
      title: this.title,
      denoise: this.denoise ? "active" : "bypassed",
      record: this.recording,
      strength: this.strength,
      postFilter: this.postFilter,
    });
    const { session, sender } = await publish(url, track, store.config?.ice_servers ?? []);
    if (signal.aborted) return disconnect(session);
    this.session = session;
    this.sender = sender;
    this.streamId = session.streamId ?? this.streamId;
    if (this.streamId) await getStream(this.streamId).then((stream) => store.learn(stream)).catch(() => undefined);
    this.attempts = 0;
    this.backoff.reset();
    this.become("live");
    return undefined;
  }

  /** @param {AbortSignal} signal set when it is to stop */
  async run(signal) {
    const timer = setInterval(() => void this.measure(), QUALITY_MS);
    while (!signal.aborted) {
      if (this.session) await broken(this.session.connection, 2500, signal);
      if (signal.aborted) break;
      await this.reconnect(signal);
    }
    clearInterval(timer);
  }

  /** @param {AbortSignal} signal */
  async reconnect(signal) {
    this.session?.connection.close();
    this.session = null;
    while (!signal.aborted && !this.session) {
      this.attempts += 1;
      this.quality = UNKNOWN;
      this.become("reconnecting");
      try {
        await this.connect(signal);
      } catch (error) {
        this.problem = error instanceof ApiError && error.status > 0 ? error.message : "";
        this.changed();
        const after = error instanceof ApiError ? (error.retryAfter ?? 0) : 0;
        await this.backoff.wait(after * 1000);
      }
    }
    if (!signal.aborted) this.problem = "";
  }

  async stop() {
    if (!this.onAir) return;
    const { session, streamId } = this;
    this.become("stopping");
    this.finish();
    if (session) await disconnect(session);
    if (streamId) {
      this.last = await this.ended(streamId);
    }
    this.become("idle");
  }

  /**
   * Saying goodbye to the peer ends the stream; when that went astray, this does.
   * @param {string} streamId
   */
  async ended(streamId) {
    const now = await getStream(streamId).catch(() => null);
    const over = now?.state === "ended" ? now : await endStream(streamId).catch(() => null);
    if (over) store.learn(over);
    return store.stream(streamId) ?? over;
  }

  finish() {
    this.ending.abort();
    this.backoff.hurry();
    this.wake.release();
    this.session = null;
    this.sender = null;
    this.streamId = null;
    this.title = "";
    this.attempts = 0;
    this.quality = UNKNOWN;
    this.problem = "";
    this.changes.clear();
    this.setMuted(false);
  }

  async measure() {
    if (!this.session || this.state !== "live") return;
    this.quality = await measure(this.session.connection);
    this.changed();
  }

  onStore() {
    const stream = this.stream;
    if (stream?.state === "ended" && this.state === "live") {
      // Ended by somebody or something else: say so, and let go.
      const session = this.session;
      this.finish();
      this.last = stream;
      session?.connection.close();
      this.state = "idle";
    }
    if (this.last) this.last = store.stream(this.last.id) ?? this.last;
    const engine = store.config?.denoise.state;
    this.microphone.serverDenoises = engine !== "off";
    this.changed();
  }

  onMicrophone() {
    const { stream, track } = this.microphone;
    if (stream) this.meter.listen(stream);
    else this.meter.stop();
    if (track) track.enabled = !this.muted;
    if (this.sender && track && this.sender.track !== track) void this.sender.replaceTrack(track).catch(() => undefined);
    this.changed();
  }

  /** @param {boolean} muted */
  setMuted(muted) {
    this.muted = muted;
    const track = this.microphone.track;
    if (track) track.enabled = !muted;
    this.changed();
  }

  /** @param {boolean} on @returns {Promise<void>} fails with an `ApiError` */
  async setDenoise(on) {
    this.denoise = on;
    remember("denoise", on);
    const told = this.change({ denoise: on ? "active" : "bypassed" });
    this.changed();
    await told;
  }

  /** @param {boolean} on */
  async setRecording(on) {
    this.record = on;
    remember("record", on);
    const told = this.change({ recording: on });
    this.changed();
    await told;
  }

  /** @param {string} title */
  async setTitle(title) {
    this.title = title;
    const told = this.change({ title });
    this.changed();
    await told;
  }

  /** @param {number} strength 0 to 1 */
  async setStrength(strength) {
    await this.setAmount({ strength }, { denoise_strength: strength });
  }

  /** @param {boolean} on */
  async setPostFilter(on) {
    await this.setAmount({ postFilter: on }, { post_filter: on });
  }

  /** @param {{ strength?: number, postFilter?: boolean }} amount @param {import("./changes.js").Change} change */
  async setAmount(amount, change) {
    this.amount = { ...this.amount, ...amount };
    remember("amount", this.amount);
    const told = this.change(change);
    this.changed();
    await told;
  }

  /** @param {import("./changes.js").Change} change */
  async change(change) {
    if (this.streamId && this.onAir) await this.changes.add(change);
  }

  /** @param {import("./changes.js").Change} change */
  async tell(change) {
    if (this.streamId) store.learn(await changeStream(this.streamId, change));
  }

  /** @param {PublishState} state */
  become(state) {
    this.state = state;
    if (state === "reconnecting") this.changes.hold();
    else this.changes.go();
    this.changed();
  }
}

export const publisher = new Publisher();
