/** Plain sound: recording some from a microphone, and WAV files of it (mono, 48 kHz, 16 bits). */

export const RATE = 48_000;
const HEADER = 44;
const WORKLET = "/static/js/studio/recorder-worklet.js";

/**
 * Record some seconds.
 * @param {MediaStream} stream
 * @param {number} seconds
 * @param {AbortSignal} signal
 * @param {(samples: Float32Array, rate: number) => void} heard told of every block as it comes
 * @returns {Promise<Float32Array>} at 48 kHz; fails when aborted
 */
export async function record(stream, seconds, signal, heard) {
  const context = new AudioContext();
  try {
    await context.audioWorklet.addModule(WORKLET);
    await context.resume();
    const node = new AudioWorkletNode(context, "recorder", { numberOfOutputs: 0 });
    context.createMediaStreamSource(stream).connect(node);
    const wanted = Math.round(seconds * context.sampleRate);
    const whole = await collect(node, wanted, signal, (block) => heard(block, context.sampleRate));
    return await resampled(whole, context.sampleRate);
  } finally {
    await context.close();
  }
}

/**
 * @param {AudioWorkletNode} node
 * @param {number} wanted samples
 * @param {AbortSignal} signal
 * @param {(block: Float32Array) => void} heard
 * @returns {Promise<Float32Array>}
 */
function collect(node, wanted, signal, heard) {
  return new Promise((resolve, reject) => {
    const whole = new Float32Array(wanted);
    let have = 0;
    const stopped = () => reject(new DOMException("stopped", "AbortError"));
    if (signal.aborted) return stopped();
    signal.addEventListener("abort", stopped, { once: true });
    node.port.onmessage = ({ data }) => {
      if (have === wanted) return;
      const block = data.subarray(0, wanted - have);
      whole.set(block, have);
      have += block.length;
      heard(block);
      if (have === wanted) resolve(whole);
    };
    return undefined;
  });
}

/** @param {Float32Array} samples @param {number} rate @returns {Promise<Float32Array>} at 48 kHz */
async function resampled(samples, rate) {
  if (rate === RATE) return samples;
  const length = Math.round((samples.length * RATE) / rate);
  const context = new OfflineAudioContext(1, length, RATE);
  const buffer = new AudioBuffer({ length: samples.length, sampleRate: rate });
  buffer.copyToChannel(new Float32Array(samples), 0);
  const source = new AudioBufferSourceNode(context, { buffer });
  source.connect(context.destination);
  source.start();
  return (await context.startRendering()).getChannelData(0);
}

/** @param {Float32Array} samples @returns {Blob} */
export function wav(samples) {
  const data = new DataView(new ArrayBuffer(HEADER + 2 * samples.length));
  const text = (/** @type {number} */ at, /** @type {string} */ word) => [...word].forEach((letter, number) => data.setUint8(at + number, letter.charCodeAt(0)));
  text(0, "RIFF");
  data.setUint32(4, HEADER - 8 + 2 * samples.length, true);
  text(8, "WAVEfmt ");
  data.setUint32(16, 16, true);
  data.setUint16(20, 1, true); // PCM
  data.setUint16(22, 1, true); // one channel
  data.setUint32(24, RATE, true);
  data.setUint32(28, 2 * RATE, true);
  data.setUint16(32, 2, true);
  data.setUint16(34, 16, true);
  text(36, "data");
  data.setUint32(40, 2 * samples.length, true);
  samples.forEach((sample, at) => data.setInt16(HEADER + 2 * at, Math.max(-32_768, Math.min(32_767, Math.round(sample * 32_768))), true));
  return new Blob([data.buffer], { type: "audio/wav" });
}

/** @param {ArrayBuffer} file as the server writes them @returns {Float32Array} */
export function samplesOf(file) {
  return Float32Array.from(new Int16Array(file.slice(HEADER, HEADER + 2 * Math.floor((file.byteLength - HEADER) / 2))), (value) => value / 32_768);
}

/**
 * @param {Float32Array} clean
 * @param {Float32Array} raw
 * @param {number} share of `raw`, 0 to 1
 * @returns {Float32Array} as long as `clean`
 */
export function mixed(clean, raw, share) {
  return clean.map((sample, at) => sample + ((raw[at] ?? sample) - sample) * share);
}

/** @param {Float32Array} samples @param {number} pieces @returns {number[]} RMS of each piece, dBFS */
export function levels(samples, pieces) {
  return Array.from({ length: pieces }, (_, piece) => {
    const [from, to] = [piece, piece + 1].map((edge) => Math.floor((edge * samples.length) / pieces));
    const part = samples.subarray(from, to);
    const power = part.reduce((sum, sample) => sum + sample * sample, 0) / Math.max(1, part.length);
    return Math.max(-120, 10 * Math.log10(power || 1e-12));
  });
}
