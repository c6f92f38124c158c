/**
 * One's own broadcast: from Go live to Stop, through lost connections, whatever page is open meanwhile.
 */

import { ApiError, changeStream, endStream, getStream, words } from "../api.js";
import { Emitter } from "../emitter.js";
import { disconnect } from "../peer.js";
import { measure, UNKNOWN } from "../quality.js";
import { recall, remember } from "../settings.js";
import { preferred, store } from "../store.js";
import { publish } from "../whip.js";
import { Changes } from "./changes.js";
import { Meter } from "./level.js";
import { Line } from "./line.js";
import { Microphone } from "./microphone.js";
import { offerUrl } from "./offer.js";
import { recallPass, rememberPass } from "./pass.js";
import { Rescue, Silence } from "./rescue.js";
import { Wake } from "./wake.js";

/** @typedef {"idle" | "starting" | "live" | "reconnecting" | "stopping"} PublishState */

const LOOK_MS = 1000;
/** How long the server may say that it hears nothing, while the connection looks well. */
const DEAF_MS = 3000;
/** Nobody should be on air again by opening a laptop in the evening. */
const GIVE_UP_MS = 5 * 60_000;
const GAVE_UP = "The connection was away for more than five minutes. What had been recorded is kept; press Go live to begin anew.";
const REPLACED = "The stream goes on from another window of yours.";
/** Ends that somebody wanted. */
const MEANT = ["ended", "left"];

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
    this.muted = false;
    this.title = "";
    /** @type {boolean | null} null: as the account says */
    this.chosenDenoise = recall("denoise", null);
    /** Whether the next stream is music: stereo, and nothing taken out. */
    this.wantsMusic = recall("music", false);
    this.microphone.music = this.wantsMusic;
    /** @type {boolean | null} null: as the server does by default */
    this.record = recall("record", null);
    /** How much of the noise goes, as this browser remembers it. @type {{ strength?: number, postFilter?: boolean }} */
    this.amount = recall("amount", {});
    this.changes = new Changes((change) => this.tell(change));
    /** What went wrong, in words, until the next start. */
    this.problem = "";
    /** How the last broadcast ended. @type {import("../types.js").Stream | null} */
    this.last = null;
    /** The stream that was over when one came back, so that another one began. @type {import("../types.js").Stream | null} */
    this.before = null;
    this.quality = UNKNOWN;
    this.line = new Line((signal) => this.dial(signal));
    this.pass = recallPass();
    this.silence = new Silence();
    this.rescue = new Rescue(this.microphone);
    this.deafSince = 0;
    /** Streams whose end the server was asked about. @type {Set<string>} */
    this.asked = new Set();
    this.ending = new AbortController();
    this.microphone.watch(() => this.onMicrophone());
    this.line.watch(() => this.onLine());
    store.watch(() => this.onStore());
    // A server that talks again takes offers again.
    store.events.whenBack(() => this.line.backoff.hurry());
    store.events.subscribe("streams", ({ type, data }) => type === "publisher_replaced" && this.onReplaced(data.session));
    window.addEventListener("beforeunload", (event) => this.onAir && event.preventDefault());
  }

  get onAir() {
    return this.state === "live" || this.state === "reconnecting";
  }

  /** @returns {boolean} fixed for as long as one is live */
  get music() {
    return this.onAir && this.stream ? this.stream.denoise.mode === "music" : this.wantsMusic;
  }

  get denoise() {
    return this.chosenDenoise ?? preferred().denoise !== "bypassed";
  }

  get recording() {
    return this.record ?? preferred().recording ?? store.config?.record_default ?? true;
  }

  /** @returns {number} 0, all the noise stays, to 1, all of it goes */
  get strength() {
    const chosen = this.changes.pending("denoise_strength");
    const now = this.onAir ? this.stream?.denoise.strength : undefined;
    return chosen ?? now ?? this.amount.strength ?? preferred().denoise_strength ?? store.config?.denoise_strength_default ?? 1;
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
    if (this.resumable) this.setMuted(this.pass?.muted ?? false);
    await this.microphone.turn;
    const track = this.microphone.track ?? (await this.microphone.open());
    if (!track) return this.become("idle");
    this.ending = new AbortController();
    const { signal } = this.ending;
    if (!this.resumable) this.keepPass(null);
    try {
      await this.line.open(signal);
    } catch (error) {
      return this.letGo(words(error), error);
    }
    await this.wake.hold();
    this.become("live");
    void this.run(signal);
    return undefined;
  }

  /** @returns {import("../types.js").Stream | null} the stream that this tab published and may go on with */
  get resumable() {
    if (!this.pass || this.pass.channel !== store.me?.channel) return null;
    const stream = store.stream(this.pass.stream);
    return stream && stream.state !== "ended" ? stream : null;
  }

  /** @param {import("./pass.js").Pass | null} pass */
  keepPass(pass) {
    this.pass = pass;
    rememberPass(pass);
  }

  /** @param {AbortSignal} signal @returns {Promise<import("../whip.js").Link>} fails with an `ApiError` */
  async dial(signal) {
    const me = store.me;
    if (!me) throw new ApiError(0, "not-ready", "The page is not ready yet. Try again in a moment.");
    const url = offerUrl(this, me.channel);
    const link = await publish(url, this.sending, store.config?.ice_servers ?? [], this.pass?.token ?? null, signal, this.music);
    if (signal.aborted) {
      // Stopped in the very moment in which it stood.
      await disconnect(link.session);
      throw new ApiError(0, "stopped", "");
    }
    await this.arrived(link.session);
    if (link.sender.track !== this.sending) await link.sender.replaceTrack(this.sending);
    return link;
  }

  /** @param {import("../peer.js").Session} session */
  async arrived({ streamId, token }) {
    const before = this.streamId;
    this.streamId = streamId ?? before;
    if (streamId && token) this.keepPass({ token, stream: streamId, channel: store.me?.channel ?? "", muted: this.muted });
    if (!this.streamId) return;
    await getStream(this.streamId).then((stream) => store.learn(stream)).catch(() => undefined);
    if (before && before !== this.streamId) this.before = store.stream(before);
  }

  /** @returns {MediaStreamTrack} what goes out: the microphone, or silence while it is away */
  get sending() {
    return this.microphone.track ?? this.silence.track;
  }

  /** @param {AbortSignal} signal set when it is to stop */
  async run(signal) {
    const timer = setInterval(() => void this.look(), LOOK_MS);
    try {
      await this.line.keep(signal);
    } catch (error) {
      if (!signal.aborted) this.letGo(words(error), error);
    } finally {
      clearInterval(timer);
    }
  }

  /** Once a second while one is live. */
  async look() {
    if (!this.onAir) return;
    if (this.line.lostAt && Date.now() - this.line.lostAt > GIVE_UP_MS) return this.letGo(GAVE_UP);
    await this.rescue.look();
    const deaf = this.state === "live" && this.stream?.state === "reconnecting";
    this.deafSince = deaf ? this.deafSince || Date.now() : 0;
    if (this.deafSince && Date.now() - this.deafSince > DEAF_MS) {
      this.deafSince = 0;
      this.line.shake();
    }
    const { link } = this.line;
    if (link && this.state === "live") this.quality = await measure(link.session.connection);
    this.changed();
    return undefined;
  }

  /**
   * Not live any more, and not by one's own wish.
   * @param {string} why
   * @param {unknown} [error]
   */
  letGo(why, error) {
    const refused = error instanceof ApiError && error.code === "resume-refused";
    if (refused || why === GAVE_UP) this.keepPass(null);
    this.finish()?.session.connection.close();
    this.problem = why;
    this.become("idle");
  }

  async stop() {
    if (!this.onAir) return;
    const { streamId } = this;
    this.become("stopping");
    const link = this.finish();
    this.keepPass(null);
    if (link) await disconnect(link.session);
    if (streamId) this.last = await this.ended(streamId);
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

  /** @returns {import("../whip.js").Link | null} the connection, for whoever wants to say goodbye */
  finish() {
    this.ending.abort();
    this.wake.release();
    const link = this.line.drop();
    this.silence.end();
    this.streamId = null;
    this.before = null;
    this.title = "";
    this.quality = UNKNOWN;
    this.problem = "";
    this.changes.clear();
    this.muted = false;
    if (this.microphone.track) this.microphone.track.enabled = true;
    return link;
  }

  onLine() {
    const state = this.line.up ? "live" : "reconnecting";
    if (!this.onAir) return;
    if (state === "reconnecting") this.quality = UNKNOWN;
    if (state === this.state) this.changed();
    else this.become(state);
  }

  /** The person knows that another stream has begun. */
  seen() {
    this.before = null;
    this.changed();
  }

  /** @param {string} session of a connection that another one has taken the place of */
  onReplaced(session) {
    const { line } = this;
    // While a connection of our own is being made, it is that one.
    if (session !== line.link?.session.id || (line.renewing && line.attempts > 0)) return;
    this.letGo(REPLACED);
  }

  onStore() {
    const stream = this.stream;
    if (stream?.state === "ended" && this.onAir) this.onEnded(stream);
    if (this.last) this.last = store.stream(this.last.id) ?? this.last;
    const engine = store.config?.denoise.state;
    this.microphone.serverDenoises = engine !== "off";
    this.changed();
  }

  /** @param {import("../types.js").Stream} stream one's own, over without one's doing */
  onEnded(stream) {
    if (MEANT.includes(stream.end_reason) || stream.end_reason === "error") {
      const link = this.finish();
      this.keepPass(null);
      this.last = stream;
      link?.session.connection.close();
      this.become("idle");
    } else if (!stream.end_reason && !this.asked.has(stream.id)) {
      // It was not among those on air any more: ask why.
      this.asked.add(stream.id);
      void getStream(stream.id).then((now) => store.learn(now)).catch(() => undefined);
    } else if (this.state === "live" && !this.line.renewing) this.line.shake();
  }

  onMicrophone() {
    const { stream, track } = this.microphone;
    if (stream) this.meter.listen(stream);
    else this.meter.stop();
    if (track) track.enabled = !this.muted;
    const sender = this.onAir ? this.line.link?.sender : null;
    if (sender && sender.track !== this.sending) void sender.replaceTrack(this.sending).catch(() => undefined);
    this.changed();
  }

  /** @param {boolean} muted */
  setMuted(muted) {
    this.muted = muted;
    const track = this.microphone.track;
    if (track) track.enabled = !muted;
    if (this.pass && this.onAir) this.keepPass({ ...this.pass, muted });
    this.changed();
  }

  /** @param {boolean} on @returns {Promise<void>} fails with an `ApiError` */
  async setDenoise(on) {
    this.chosenDenoise = on;
    remember("denoise", on);
    const told = this.change({ denoise: on ? "active" : "bypassed" });
    this.changed();
    await told;
  }

  /** @param {boolean} on whether what comes is music; before going live */
  async setMusic(on) {
    this.wantsMusic = on;
    remember("music", on);
    this.changed();
    await this.microphone.play(on);
  }

  /** @param {boolean} on */
  async setRecording(on) {
    this.record = on;
    remember("record", on);
    const told = this.change({ recording: on });
    this.changed();
    await told;
  }

  /** What this browser remembers goes: from now on it is as the account says. */
  forget() {
    [this.chosenDenoise, this.record] = [null, null];
    delete this.amount.strength;
    for (const [key, value] of Object.entries({ denoise: null, record: null, amount: this.amount })) remember(key, value);
    this.changed();
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
