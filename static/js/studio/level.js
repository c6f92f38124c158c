/**
 * How loud it is: levels in dBFS, the noise floor under them, and whether anything is heard at all.
 */

const EVERY_MS = 50;
const NOTHING_DB = -60;
const NOTHING_AFTER_S = 5;
const VOICE_ABOVE_FLOOR_DB = 7;
const BAR_MS = 90;

/**
 * @typedef {{ level: number, voice: boolean }} Bar a slice of 90 ms, dBFS
 * @typedef {"none" | "asleep" | "nothing" | "quiet" | "room" | "good" | "loud"} Verdict
 */

/** @param {Float32Array} samples @returns {{ rms: number, peak: number }} dBFS */
export function measure(samples) {
  let sum = 0;
  let top = 0;
  for (const sample of samples) {
    sum += sample * sample;
    top = Math.max(top, Math.abs(sample));
  }
  const decibel = (/** @type {number} */ value) => 20 * Math.log10(Math.max(value, 1e-5));
  return { rms: decibel(Math.sqrt(sum / samples.length)), peak: decibel(top) };
}

/** Levels over time: falls to the quietest at once, rises slowly, so it stays with the room under the voice. */
export class LevelTracker {
  constructor() {
    this.level = -100;
    this.peak = -100;
    this.floor = -70;
    this.held = -100;
    this.heldAt = 0;
    this.lastSound = 0;
    this.lastVoice = -Infinity;
    this.lastClip = -Infinity;
    /** @type {Bar[]} newest last */
    this.bars = [];
    this.barStart = 0;
    this.started = -1;
    this.voicePeak = -100;
  }

  /**
   * @param {number} rms dBFS
   * @param {number} peak dBFS
   * @param {number} now milliseconds
   */
  push(rms, peak, now) {
    if (this.started < 0) {
      this.started = this.lastSound = this.barStart = now;
      this.floor = Math.max(-90, rms);
    }
    this.level = rms;
    this.peak = peak;
    this.floor = rms < this.floor ? this.floor + (rms - this.floor) * 0.4 : Math.min(rms, this.floor + 0.12);
    if (rms > NOTHING_DB) this.lastSound = now;
    const voice = rms > this.floor + VOICE_ABOVE_FLOOR_DB && rms > NOTHING_DB;
    if (voice) {
      this.lastVoice = now;
      this.voicePeak = Math.max(this.voicePeak - 0.05, rms);
    }
    if (peak > -0.5) this.lastClip = now;
    if (peak >= this.held || now - this.heldAt > 1000) {
      this.held = peak;
      this.heldAt = now;
    }
    this.bar(rms, voice, now);
  }

  /** @param {number} level @param {boolean} voice @param {number} now */
  bar(level, voice, now) {
    const last = this.bars.at(-1);
    if (last && now - this.barStart < BAR_MS) {
      last.level = Math.max(last.level, level);
      last.voice = last.voice || voice;
      return;
    }
    this.barStart = last ? Math.max(this.barStart + BAR_MS, now - BAR_MS) : now;
    this.bars.push({ level, voice });
    if (this.bars.length > 260) this.bars.shift();
  }

  /** @param {number} now milliseconds @returns {Verdict} */
  verdict(now) {
    if (this.started < 0) return "none";
    if (now - this.lastSound > NOTHING_AFTER_S * 1000) return "nothing";
    if (now - this.lastClip < 2000) return "loud";
    if (now - this.lastVoice > 4000) return "room";
    return this.voicePeak < -42 ? "quiet" : "good";
  }
}

/** A tracker fed from a `MediaStream` through an analyser. */
export class Meter {
  constructor() {
    this.tracker = new LevelTracker();
    /** @type {AudioContext | null} */
    this.context = null;
    /** @type {MediaStreamAudioSourceNode | null} */
    this.source = null;
    /** @type {ReturnType<typeof setInterval> | undefined} */
    this.timer = undefined;
    /** @type {MediaStream | null} */
    this.stream = null;
  }

  /** @param {MediaStream} stream */
  listen(stream) {
    if (this.stream === stream) return;
    // Another microphone has another floor, but what was heard before stays in the picture.
    if (this.stream) this.tracker.started = -1;
    else this.tracker = new LevelTracker();
    this.stop();
    const context = this.context ?? new AudioContext();
    this.context = context;
    this.stream = stream;
    const analyser = new AnalyserNode(context, { fftSize: 2048 });
    this.source = context.createMediaStreamSource(stream);
    this.source.connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    this.timer = setInterval(() => {
      if (context.state !== "running") return void context.resume().catch(() => undefined);
      analyser.getFloatTimeDomainData(samples);
      const { rms, peak } = measure(samples);
      return this.tracker.push(rms, peak, performance.now());
    }, EVERY_MS);
  }

  /** Browsers start sound processing only after a press or a key. Call this from one. */
  wake() {
    if (this.context?.state === "suspended") void this.context.resume();
  }

  /** @returns {Verdict} */
  verdict() {
    if (!this.stream) return "none";
    if (this.context?.state !== "running") return "asleep";
    return this.tracker.verdict(performance.now());
  }

  stop() {
    clearInterval(this.timer);
    this.source?.disconnect();
    this.source = null;
    this.stream = null;
  }
}
