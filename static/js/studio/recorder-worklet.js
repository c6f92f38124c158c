/** Runs in the audio thread: hands every block of the microphone's first channel to the page. */

/** @type {any} the scope of an audio worklet, which the page's types do not know */
const scope = globalThis;

class Recorder extends scope.AudioWorkletProcessor {
  /** @param {Float32Array[][]} inputs @returns {boolean} whether it goes on */
  process(inputs) {
    const channel = inputs[0]?.[0];
    if (channel) this.port.postMessage(channel.slice());
    return true;
  }
}

scope.registerProcessor("recorder", Recorder);
