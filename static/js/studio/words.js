/** What the studio says about the sound, the connection and the machine. */

import { clock } from "../format.js";
import { store } from "../store.js";
import { silenced } from "./rescue.js";
import { strengthName } from "./strength.js";

/** @typedef {import("./publisher.js").Publisher} Publisher */
/** @typedef {{ lead: string, rest: string, warn: boolean }} LevelWords */

/** @type {Record<import("./level.js").Verdict, LevelWords>} */
const LEVELS = {
  none: { lead: "", rest: "", warn: false },
  asleep: { lead: "The meter sleeps.", rest: "Press anywhere to wake it.", warn: false },
  nothing: {
    lead: "We hear nothing.",
    rest: "Check that the microphone is plugged in and not switched off, or choose another one.",
    warn: true,
  },
  quiet: { lead: "A little quiet.", rest: "Come closer to the microphone.", warn: false },
  room: { lead: "We hear your room.", rest: "Say something to see your level.", warn: false },
  good: { lead: "Good level.", rest: "The grey is noise from your room.", warn: false },
  loud: { lead: "Too loud.", rest: "Move back from the microphone, or turn it down.", warn: true },
};

/** @param {Publisher} publisher @returns {LevelWords} */
export function levelWords(publisher) {
  const { microphone } = publisher;
  if (publisher.muted) return { lead: "You are muted.", rest: "Listeners hear silence.", warn: true };
  if (microphone.opening) return { lead: "Waiting for the microphone.", rest: "Your browser may be asking for it.", warn: false };
  if (microphone.trouble) return LEVELS.none;
  if (!microphone.stream) return { lead: "", rest: "Your browser asks for the microphone when you go live.", warn: false };
  return LEVELS[publisher.meter.verdict()];
}

/** @typedef {"microphone" | "end" | "resume" | "seen"} Action */
/** @typedef {{ what: string, remedy: string, actions: Action[], calm?: boolean }} Notice */

/**
 * The one thing that a person in the studio should know now, the worst first.
 * @param {Publisher} publisher
 * @param {import("../types.js").Stream | null} elsewhere the channel's stream when it is not this page's
 * @returns {Notice | null}
 */
export function notice(publisher, elsewhere) {
  const { state, stream } = publisher;
  if (state === "reconnecting") return reconnectingNotice(publisher);
  const heard = microphoneNotice(publisher);
  if (heard) return heard;
  if (state === "idle" && elsewhere) return elsewhereNotice(publisher, elsewhere);
  if (publisher.problem) return { what: "You are not live.", remedy: publisher.problem, actions: [] };
  if (!stream || !publisher.onAir) return null;
  if (store.events.closing) return { what: "The server is about to start again.", remedy: "Keep talking: the stream goes on by itself in a moment.", actions: [] };
  return onAirNotice(stream) ?? beganAnewNotice(publisher);
}

/** @param {Publisher} publisher @returns {Notice} */
function reconnectingNotice({ line, stream }) {
  const waited = (Date.now() - (line.lostAt || Date.now())) / 1000;
  if (store.events.closing) {
    return { what: `The server is starting again. Waiting for it (${clock(waited)})…`, remedy: "Keep talking or wait: the same stream goes on as soon as it is back.", actions: [] };
  }
  const what = `Connection lost. Trying again (${Math.max(1, line.attempts)})…`;
  const open = store.config?.reconnect_s ?? 30;
  const left = (stream && store.away(stream.id)?.left) || open - waited;
  if (line.problem) return { what, remedy: line.problem, actions: [] };
  if (left > 0) return { what, remedy: `Keep talking or wait: the stream goes on as soon as the network is back. It stays open for another ${clock(left)}.`, actions: [] };
  return { what, remedy: `It has been away for ${clock(waited)}. If the stream is over by the time it is back, a new one begins.`, actions: [] };
}

/** @param {Publisher} publisher @returns {Notice | null} */
function microphoneNotice({ microphone, onAir }) {
  const silence = onAir ? " Listeners hear silence." : "";
  if (microphone.trouble) {
    const { what, remedy, code } = microphone.trouble;
    return { what: what + silence, remedy, actions: code === "insecure" || code === "unsupported" ? [] : ["microphone"] };
  }
  if (!silenced(microphone)) return null;
  return { what: `Your system has switched the microphone off.${silence}`, remedy: "A call or another program may have it. The sound comes back by itself.", actions: ["microphone"] };
}

/** @param {Publisher} publisher @returns {Notice | null} */
function beganAnewNotice({ before }) {
  if (!before) return null;
  const kept = before.recording.id ? "its recording is kept, and " : "";
  return { what: "You are live again, in a new stream.", remedy: `The one before was over by then: ${kept}a new one has begun.`, actions: ["seen"], calm: true };
}

/** @param {import("../types.js").Stream} stream @returns {Notice | null} */
function onAirNotice(stream) {
  const { denoise, recording } = stream;
  if (denoise.mode === "active" && denoise.state !== "ok") {
    const what = denoise.state === "starting" ? "Noise removal is starting; until then listeners hear the original." : "Noise removal is resting; listeners hear the original.";
    return { what, remedy: denoise.detail || "It comes back by itself.", actions: [] };
  }
  if (recording.detail && recording.on) return { what: "There is little room left for the recording.", remedy: recording.detail, actions: [] };
  if (recording.detail) return { what: "The recording has stopped; the stream goes on.", remedy: recording.detail, actions: [] };
  return null;
}

/** @param {Publisher} publisher @param {import("../types.js").Stream} stream @returns {Notice} */
function elsewhereNotice({ problem, resumable }, stream) {
  const away = store.away(stream.id);
  const left = away && away.left > 0 ? ` It stays open for another ${clock(away.left)}.` : "";
  if (resumable?.id === stream.id) {
    const what = away ? "You were live until a moment ago." : "Your stream is still on the air.";
    return { what: problem || what, remedy: `Go on with the stream here, or end it.${left}`, actions: ["resume", "end"] };
  }
  if (stream.state === "reconnecting") {
    return { what: "You were live until a moment ago.", remedy: `Press Go live to go on with the same stream, or end it.${left}`, actions: ["end"] };
  }
  return { what: problem || "Your channel is live from another window or program.", remedy: "Stop it there, or end it here, before you go live.", actions: ["end"] };
}

/** @param {import("../types.js").Stream} stream @returns {{ what: string, remedy: string }} */
export function endedWords(stream) {
  const peak = stream.listeners_peak;
  const heard = peak > 1 ? `Up to ${peak} people listened at once.` : peak === 1 ? "One person listened." : "Nobody listened this time.";
  const kept = stream.recording.id ? "The recording is kept." : "It was not recorded.";
  return { what: `You were live for ${clock(stream.duration_s)}.`, remedy: `${heard} ${kept}` };
}

/**
 * @param {Publisher} publisher
 * @param {import("../types.js").Config | null} config
 * @returns {{ text: string, enabled: boolean, on: boolean }}
 */
export function denoiseWords(publisher, config) {
  const mode = publisher.stream?.denoise.mode;
  if (mode === "absent" || mode === "music" || config?.denoise.state === "off") {
    return { text: config?.denoise.detail || "Off on this server. The operator can switch it on in the settings.", enabled: false, on: false };
  }
  const wanted = publisher.changes.pending("denoise") ?? mode;
  const on = wanted ? wanted === "active" : publisher.denoise;
  const engine = publisher.stream?.denoise.engine ?? config?.denoise.engine ?? "";
  if (!on) return { text: "Listeners hear your room as it is.", enabled: true, on };
  const trouble = config?.denoise.detail;
  return { text: trouble || `${strengthName(publisher.strength)}. ${engine ? `By ${engine}. ` : ""}You can change it while live.`, enabled: true, on };
}
