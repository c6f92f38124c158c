/**
 * Live sound, later by as much as its captions need: by the receiver's jitter buffer where the browser lets one set it,
 * else through a delay of the Web Audio API.
 */

const MOST_S = 5;

/** @returns {"buffer" | "graph" | ""} how this browser does it; empty: not at all */
export function wayToDelay() {
  if (typeof RTCRtpReceiver === "function" && "jitterBufferTarget" in RTCRtpReceiver.prototype) return "buffer";
  return typeof AudioContext === "function" ? "graph" : "";
}

export class Delay {
  constructor() {
    this.way = wayToDelay();
    /** @type {{ context: AudioContext, node: DelayNode, gain: GainNode, media: MediaStream } | null} */
    this.graph = null;
  }

  /**
   * @param {number} seconds
   * @param {RTCPeerConnection | null} connection
   * @param {MediaStream | null} media
   * @param {number} level 0 to 1
   * @returns {boolean} whether the sound comes from here, so that the element must be silent
   */
  apply(seconds, connection, media, level) {
    if (this.way === "buffer") this.buffer(seconds, connection);
    return this.way === "graph" && this.through(seconds, media, level);
  }

  /** @param {number} seconds @param {RTCPeerConnection | null} connection */
  buffer(seconds, connection) {
    // null: as the browser thinks best.
    const target = seconds > 0 ? seconds * 1000 : null;
    for (const receiver of connection?.getReceivers() ?? []) {
      if (Reflect.get(receiver, "jitterBufferTarget") !== target) Reflect.set(receiver, "jitterBufferTarget", target);
    }
  }

  /** @param {number} seconds @param {MediaStream | null} media @param {number} level @returns {boolean} */
  through(seconds, media, level) {
    if (seconds === 0 || !media || media.getAudioTracks().length === 0) {
      void this.graph?.context.close();
      this.graph = null;
      return false;
    }
    if (this.graph?.media !== media) {
      void this.graph?.context.close();
      const context = new AudioContext({ latencyHint: "playback" });
      const node = new DelayNode(context, { maxDelayTime: MOST_S });
      const gain = new GainNode(context);
      context.createMediaStreamSource(media).connect(node).connect(gain).connect(context.destination);
      this.graph = { context, node, gain, media };
    }
    this.graph.node.delayTime.value = Math.min(MOST_S, seconds);
    this.graph.gain.gain.value = level;
    void this.graph.context.resume();
    return true;
  }
}
