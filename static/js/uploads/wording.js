/** What becomes of a file, in words. */

import { count, clock, size } from "../format.js";
import { about } from "./pace.js";

/** @typedef {import("./line.js").Entry} Entry */
/** @typedef {import("./api.js").Upload} Upload */
/** @typedef {import("./api.js").Diagnosis} Diagnosis */

/**
 * @typedef {object} Shown
 * @property {string} words what is going on
 * @property {number | null} share 0 to 1, where there is something to be seen of it
 * @property {"" | "wrong" | "wait"} look
 * @property {Action[]} can
 */
/** @typedef {"pause" | "go-on" | "retry" | "choose" | "start" | "again" | "open" | "remove"} Action */

/** @param {Entry} entry @returns {boolean} whether it is this page that knows best what becomes of it */
const here = ({ transfer, item }) => transfer !== null && transfer.state !== "stored" && (!item || item.state === "receiving");

/** @param {Entry} entry @returns {string} the page's word for it, or the server's */
export function stateOf(entry) {
  if (entry.refused) return "refused";
  return here(entry) || !entry.item ? (entry.transfer?.state ?? "") : entry.item.state;
}

/** @param {Entry} entry @returns {Shown} */
export function shown(entry) {
  const { transfer, item, refused } = entry;
  if (refused) return { words: refused, share: null, look: "wrong", can: ["remove"] };
  if (transfer && here(entry)) return sending(entry, transfer);
  return item ? kept(entry, item) : { words: "All of it is there.", share: 1, look: "", can: [] };
}

/** @param {Entry} entry @param {import("./tus.js").Transfer} transfer @returns {Shown} */
function sending({ pace }, transfer) {
  const whole = transfer.file.size;
  const share = whole ? transfer.sent / whole : 0;
  const far = `${size(transfer.sent)} of ${size(whole)}`;
  if (transfer.state === "waiting") return { words: `${size(whole)} · waits until others are sent`, share: null, look: "", can: ["remove"] };
  if (transfer.state === "paused") return { words: `Paused · ${far}`, share, look: "wait", can: ["go-on", "remove"] };
  if (transfer.state === "broken") return { words: `${transfer.error || "The connection is lost."} It goes on by itself · ${far}`, share, look: "wait", can: ["pause", "remove"] };
  if (transfer.state === "failed") return { words: transfer.error, share: null, look: "wrong", can: ["retry", "remove"] };
  const left = pace.left();
  return { words: `Sending · ${far}${left === null ? "" : ` · ${about(left)} left`}`, share, look: "", can: ["pause", "remove"] };
}

/** @param {Entry} entry @param {Upload} item @returns {Shown} */
function kept({ pace }, item) {
  const far = `${size(item.received)} of ${size(item.size)}`;
  switch (item.state) {
    case "receiving":
      return { words: `Stopped at ${far}. Choose the same file again, and it goes on from there.`, share: item.size ? item.received / item.size : 0, look: "wait", can: ["choose", "remove"] };
    case "received":
    case "checking":
      return { words: item.detail || "All of it is there. Having a look at it", share: null, look: "", can: ["remove"] };
    case "ready_to_start":
      return { words: item.detail || "Looked at. Start when it is right.", share: null, look: "", can: ["start", "remove"] };
    case "queued":
      return { words: queueWords(item), share: null, look: "", can: ["remove"] };
    case "processing":
      return processing(item, pace);
    case "done":
      return { words: item.detail || "A recording now", share: null, look: "", can: ["open", "again", "remove"] };
    case "cancelled":
      return { words: item.detail || "Cancelled", share: null, look: "", can: ["again", "remove"] };
    default:
      return { words: item.detail || "It could not be made into a recording.", share: null, look: "wrong", can: item.diagnosis ? ["again", "remove"] : ["remove"] };
  }
}

/** @param {Upload} item @param {import("./pace.js").Pace} pace @returns {Shown} */
function processing({ job }, pace) {
  const share = job?.progress ?? 0;
  pace.saw(share);
  const left = job?.wait_s ?? pace.left();
  const words = `${job?.step || "Being worked on"} · ${Math.floor(100 * share)} %${left === null ? "" : ` · ${about(left)} left`}`;
  return { words, share, look: "", can: ["remove"] };
}

/** @param {Upload} item @returns {string} */
function queueWords({ job }) {
  if (!job || job.position === null) return "Waiting to be worked on";
  const place = job.position <= 1 ? "Next to be worked on" : `${count(job.position - 1, "other")} before it`;
  return job.wait_s === null ? place : `${place} · begins in ${about(job.wait_s)}`;
}

/** @param {Diagnosis} diagnosis @returns {[string, string][]} names and values */
export function facts({ duration_s: seconds, format, channels, sample_rate: rate, level_dbfs: level, noise_dbfs: noise, speakers }) {
  const how = [rate === null ? "" : `${(rate / 1000).toLocaleString("en", { maximumFractionDigits: 1 })} kHz`, channelWords(channels)];
  /** @type {[string, string][]} */
  const found = [["Format", [formatWords(format), ...how].filter(Boolean).join(", ")]];
  if (seconds !== null) found.unshift(["Length", clock(seconds)]);
  if (level !== null) found.push(["Voice", `${decibels(level)} dBFS`]);
  if (noise !== null) found.push(["Noise", `${decibels(noise)} dBFS`]);
  if (speakers !== null) found.push(["Probably", speakers === 0 ? "nobody talks" : speakers === 1 ? "one person" : `${speakers} people`]);
  return found;
}

/** @param {string} format container and codec, "wav/pcm_s16le" say @returns {string} as people call it */
function formatWords(format) {
  const [boxes = "", codec = ""] = format.split("/");
  const box = boxes.split(",")[0] ?? "";
  const name = { mov: "MP4", matroska: "WebM", ogg: "Ogg" }[box] ?? box.toUpperCase();
  return codec && codec !== box && !codec.startsWith("pcm") ? `${name} (${codec})` : name;
}

/** @param {number | null} channels */
const channelWords = (channels) => (channels === null ? "" : channels === 1 ? "mono" : channels === 2 ? "stereo" : `${channels} channels`);

/** @param {number} value */
const decibels = (value) => `${value < 0 ? "−" : ""}${Math.abs(Math.round(value))}`;

/** @param {Diagnosis} diagnosis @returns {string} what it means for what comes */
export function verdict({ level_dbfs: level, snr_db: above, speakers, duration_s: seconds }) {
  if (seconds !== null && seconds < 1) return "There is hardly anything in it.";
  if (speakers === 0) return "Nobody seems to talk in it: there may be nothing to write down.";
  const said = [];
  if (level !== null && level < -40) said.push("it is very quiet");
  if (above !== null && above < 8) said.push("the noise is almost as loud as the voices, so some words will be missed");
  else if (above !== null && above < 20) said.push("there is noise, which can be taken out");
  else if (above !== null) said.push("it is clean");
  const text = said.join(", and ");
  return text ? `${text.charAt(0).toUpperCase()}${text.slice(1)}.` : "";
}
