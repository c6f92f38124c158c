/**
 * What keeps a broadcast alive while its microphone is away: unplugged, taken by a call, lost in a laptop's sleep.
 * Listeners hear silence, the stream goes on, and the microphone is asked for again as soon as there is hope.
 */

/** @typedef {import("./microphone.js").Microphone} Microphone */

const SILENCED_MS = 2000;
const FIRST_MS = 1000;
const MOST_MS = 15_000;

/** A track on which nothing is heard, so that a connection has something to send. */
export class Silence {
  constructor() {
    /** @type {AudioContext | null} */
    this.context = null;
    /** @type {MediaStreamTrack | null} */
    this.held = null;
  }

  /** @returns {MediaStreamTrack} */
  get track() {
    if (this.held) return this.held;
    this.context = new AudioContext();
    const nothing = new ConstantSourceNode(this.context, { offset: 0 });
    const end = this.context.createMediaStreamDestination();
    nothing.connect(end);
    nothing.start(); // without a source nothing at all would be sent
    const [track] = end.stream.getAudioTracks();
    this.held = /** @type {MediaStreamTrack} */ (track);
    void this.context.resume();
    return this.held;
  }

  end() {
    this.held?.stop();
    void this.context?.close();
    this.context = this.held = null;
  }
}

/** @param {Microphone} microphone @returns {boolean} whether the system has let nothing through for a while */
export function silenced(microphone) {
  return microphone.silentSince > 0 && Date.now() - microphone.silentSince > SILENCED_MS;
}

export class Rescue {
  /** @param {Microphone} microphone */
  constructor(microphone) {
    this.microphone = microphone;
    this.pause = FIRST_MS;
    this.next = 0;
    navigator.mediaDevices?.addEventListener("devicechange", () => this.hurry());
  }

  /** Something was plugged in, or has come back. */
  hurry() {
    this.pause = FIRST_MS;
    this.next = 0;
  }

  get needed() {
    const { track } = this.microphone;
    return !track || track.readyState === "ended" || silenced(this.microphone);
  }

  /** Called again and again while one is live. */
  async look() {
    if (!this.needed) return this.hurry();
    if (this.microphone.opening || Date.now() < this.next) return;
    this.next = Date.now() + this.pause;
    this.pause = Math.min(MOST_MS, this.pause * 2);
    // Not where the browser would ask the person again and again: there is a button for that.
    if (await this.microphone.allowed()) await this.microphone.open();
    return undefined;
  }
}
