/** The microphone: opening it, choosing another, and clear words when it is not to be had. */

import { Emitter } from "../emitter.js";
import { recall, remember } from "../settings.js";

/**
 * @typedef {{ what: string, remedy: string, code: string }} Trouble
 * @typedef {{ gain: boolean, echo: boolean }} Processing what the browser may do to the sound
 */

/** @type {Record<string, Trouble>} */
const TROUBLE = {
  insecure: {
    code: "insecure",
    what: "Browsers give no microphone to this page, because it came over plain HTTP from another machine.",
    remedy:
      "Open it over HTTPS (the operator starts the server with `clearcast serve --tls self-signed`), " +
      `or on the server's own machine at http://localhost${location.port ? `:${location.port}` : ""}.`,
  },
  unsupported: {
    code: "unsupported",
    what: "This browser cannot use a microphone on web pages.",
    remedy: "Open this page in a current Firefox, Chrome, Edge or Safari.",
  },
  refused: {
    code: "refused",
    what: "Your browser has no access to the microphone.",
    remedy: "Click the lock in the address bar and allow it, then try again.",
  },
  absent: {
    code: "absent",
    what: "No microphone was found.",
    remedy: "Plug one in, or switch it on, then try again.",
  },
  gone: {
    code: "gone",
    what: "The microphone is gone.",
    remedy: "Plug it in again or choose another one; the sound comes back by itself.",
  },
  busy: {
    code: "busy",
    what: "The microphone did not start. Another program may be using it.",
    remedy: "Close that program or choose another microphone, then try again.",
  },
};

/** @param {unknown} error @returns {Trouble} */
function troubleOf(error) {
  const name = error instanceof DOMException ? error.name : "";
  const code = { NotAllowedError: "refused", SecurityError: "refused", NotFoundError: "absent" }[name] ?? "busy";
  return /** @type {Trouble} */ (TROUBLE[code]);
}

export class Microphone extends Emitter {
  constructor() {
    super();
    /** @type {MediaStream | null} */
    this.stream = null;
    /** @type {MediaDeviceInfo[]} */
    this.devices = [];
    /** @type {string} */
    this.chosen = recall("microphone", "");
    /** @type {Processing} */
    this.processing = recall("processing", { gain: true, echo: false });
    /** Whether it hears music: two channels, and the browser changes nothing. */
    this.music = false;
    /** Whether the server takes the noise out: then the browser must not. */
    this.serverDenoises = true;
    /** @type {Trouble | null} */
    this.trouble = this.unavailable();
    this.opening = false;
    /** Since when the system lets nothing through, `Date.now()`; 0 while it does. */
    this.silentSince = 0;
    /** @type {Promise<void>} */
    this.turn = Promise.resolve();
    navigator.mediaDevices?.addEventListener("devicechange", () => void this.refresh());
  }

  /** @returns {Trouble | null} */
  unavailable() {
    if (!window.isSecureContext) return TROUBLE["insecure"] ?? null;
    return navigator.mediaDevices ? null : (TROUBLE["unsupported"] ?? null);
  }

  /** @returns {MediaStreamTrack | null} */
  get track() {
    return this.stream?.getAudioTracks()[0] ?? null;
  }

  /** @returns {Promise<boolean>} whether it may be opened without asking the person */
  async allowed() {
    if (this.unavailable()) return false;
    try {
      const status = await navigator.permissions.query({ name: /** @type {PermissionName} */ ("microphone") });
      return status.state === "granted";
    } catch {
      return false; // Not every browser tells; then one has to press.
    }
  }

  /** @returns {MediaTrackConstraints} */
  constraints() {
    return {
      ...(this.chosen ? { deviceId: { ideal: this.chosen } } : {}),
      channelCount: this.music ? 2 : 1,
      noiseSuppression: !this.music && !this.serverDenoises,
      autoGainControl: !this.music && this.processing.gain,
      echoCancellation: !this.music && this.processing.echo,
    };
  }

  /** Open it, or open it anew with what is chosen now. @returns {Promise<MediaStreamTrack | null>} */
  async open() {
    const never = this.unavailable();
    if (never) {
      this.trouble = never;
      this.changed();
      return null;
    }
    // One after the other: whoever asks while it is being opened gets it opened with what is chosen by then.
    const turn = this.turn.then(() => this.openNow());
    this.turn = turn;
    await turn;
    return this.track;
  }

  async openNow() {
    this.opening = true;
    this.changed();
    try {
      await this.replace();
      this.trouble = null;
    } catch (error) {
      this.trouble = troubleOf(error);
    }
    this.opening = false;
    await this.refresh();
  }

  async replace() {
    const before = this.stream;
    // Some phones hold a single microphone: it has to be let go before another can be opened.
    if (before && this.devices.length < 2) before.getTracks().forEach((track) => track.stop());
    const stream = await navigator.mediaDevices.getUserMedia({ audio: this.constraints() });
    before?.getTracks().forEach((track) => track.stop());
    this.stream = stream;
    this.silentSince = 0;
    const [track] = stream.getAudioTracks();
    track?.addEventListener("ended", () => void this.gone(stream));
    for (const type of ["mute", "unmute"]) track?.addEventListener(type, () => this.silenced(track));
  }

  /** @param {MediaStreamTrack} track that the system has silenced, for a call say, or lets through again */
  silenced(track) {
    if (this.track !== track) return;
    this.silentSince = track.muted ? Date.now() : 0;
    this.changed();
  }

  /** @param {MediaStream} stream whose device was unplugged, or taken away by the system */
  async gone(stream) {
    if (this.stream !== stream) return;
    this.stream = null;
    this.trouble = TROUBLE["gone"] ?? null;
    await this.refresh();
  }

  close() {
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = null;
    this.changed();
  }

  async refresh() {
    const all = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
    // "default" and "communications" repeat a real device under another name.
    this.devices = all.filter(({ kind, deviceId }) => kind === "audioinput" && deviceId && deviceId !== "communications");
    this.changed();
  }

  /** @returns {string} the device in use, as the choice knows it */
  get current() {
    return this.track?.getSettings().deviceId ?? this.chosen;
  }

  /** @param {string} deviceId @returns {Promise<MediaStreamTrack | null>} */
  async choose(deviceId) {
    this.chosen = deviceId;
    remember("microphone", deviceId);
    return this.open();
  }

  /** @param {Partial<Processing>} change @returns {Promise<MediaStreamTrack | null>} the new track, null when closed */
  async process(change) {
    this.processing = { ...this.processing, ...change };
    remember("processing", this.processing);
    return this.stream ? this.open() : null;
  }

  /** @param {boolean} music @returns {Promise<MediaStreamTrack | null>} the new track, null when closed */
  async play(music) {
    this.music = music;
    return this.stream ? this.open() : null;
  }
}
