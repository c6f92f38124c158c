/** What the studio says about the sound, the connection and the machine. */

import { clock } from "../format.js";
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

/** @typedef {{ what: string, remedy: string, action: "" | "microphone" | "end" | "recording" }} Notice */

/**
 * The one thing that a person in the studio should know now, the worst first.
 * @param {Publisher} publisher
 * @param {import("../types.js").Stream | null} elsewhere the channel's stream when it is not this page's
 * @returns {Notice | null}
 */
export function notice(publisher, elsewhere) {
  const { microphone, state, stream } = publisher;
  if (state === "reconnecting") {
    const remedy = publisher.problem || "Keep talking or wait: the stream goes on as soon as the network is back.";
    return { what: `Connection lost. Trying again (${publisher.attempts})…`, remedy, action: "" };
  }
  if (microphone.trouble) {
    const { what, remedy, code } = microphone.trouble;
    const hopeless = code === "insecure" || code === "unsupported";
    return { what, remedy, action: hopeless ? "" : "microphone" };
  }
  if (publisher.problem) return { what: "You are not live.", remedy: publisher.problem, action: "" };
  if (stream && publisher.onAir) return onAirNotice(stream);
  if (elsewhere && state === "idle") return elsewhereNotice(elsewhere);
  return null;
}

/** @param {import("../types.js").Stream} stream @returns {Notice | null} */
function onAirNotice(stream) {
  const { denoise, recording } = stream;
  if (denoise.mode === "active" && denoise.state !== "ok") {
    const what = denoise.state === "starting" ? "Noise removal is starting; until then listeners hear the original." : "Noise removal is resting; listeners hear the original.";
    return { what, remedy: denoise.detail || "It comes back by itself.", action: "" };
  }
  if (recording.detail && recording.on) return { what: "The disk is nearly full.", remedy: recording.detail, action: "" };
  if (recording.detail) return { what: "The recording has stopped; the stream goes on.", remedy: recording.detail, action: "" };
  return null;
}

/** @param {import("../types.js").Stream} stream @returns {Notice} */
function elsewhereNotice(stream) {
  if (stream.state === "reconnecting") {
    return { what: "You were live until a moment ago.", remedy: "Press Go live to go on with the same stream, or end it.", action: "end" };
  }
  return { what: "Your channel is live from another window or program.", remedy: "Stop it there, or end it here, before you go live.", action: "end" };
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
  if (mode === "absent" || config?.denoise.state === "off") {
    return { text: config?.denoise.detail || "Off on this server. The operator can switch it on in the settings.", enabled: false, on: false };
  }
  const wanted = publisher.changes.pending("denoise") ?? mode;
  const on = wanted ? wanted === "active" : publisher.denoise;
  const engine = publisher.stream?.denoise.engine ?? config?.denoise.engine ?? "";
  if (!on) return { text: "Listeners hear your room as it is.", enabled: true, on };
  const trouble = config?.denoise.detail;
  return { text: trouble || `${strengthName(publisher.strength)}. ${engine ? `By ${engine}. ` : ""}You can change it while live.`, enabled: true, on };
}
