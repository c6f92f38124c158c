/** What becomes of captions after a stream: how far their second pass is, and what it changed. */

import { count } from "../format.js";
import { store } from "../store.js";
import { getJobs } from "./api.js";

/** @typedef {import("./api.js").Job} Job */

/** @param {Record<string, any>} result of a final pass @returns {string} one line on what is different */
export function changedWords(result) {
  const words = Number(result["words_changed"] ?? 0) + Number(result["words_added"] ?? 0) + Number(result["words_removed"] ?? 0);
  const moved = Number(result["speakers_changed"] ?? 0);
  const parts = [];
  if (words > 0) parts.push(`${count(words, "word")} corrected`);
  if (moved > 0) parts.push(`${count(moved, "word")} given to another speaker`);
  const { speakers, speakers_before: before } = result;
  if (Number.isInteger(speakers) && Number.isInteger(before) && speakers !== before) parts.push(`${count(speakers, "speaker")} instead of ${before}`);
  return parts.length > 0 ? `Heard a second time, as a whole: ${parts.join(", ")}.` : "Heard a second time, as a whole: nothing had to be changed.";
}

/** @param {Job} job @returns {string} */
export function jobWords(job) {
  if (job.state === "queued") return "Captions will be improved in a moment.";
  if (job.state === "running") return `Improving captions: ${Math.floor(100 * job.progress)} %`;
  if (job.state === "failed") return `Captions could not be improved: these are the live ones. ${job.error}`;
  return job.state === "done" && job.result && "words_changed" in job.result ? changedWords(job.result) : "";
}

/**
 * Follows the job of one stream.
 * @param {string} stream
 * @param {(job: Job) => void} told
 * @returns {() => void} stops
 */
export function followJob(stream, told) {
  const mine = (/** @type {Job} */ job) => job?.subject === stream && told(job);
  getJobs(stream).then(({ items }) => items[0] && mine(items[0]), () => undefined);
  return store.events.subscribe("jobs", ({ type, data }) => {
    if (type === "job_progress" || type === "job_completed") mine(data);
  });
}
