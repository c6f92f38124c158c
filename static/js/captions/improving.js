/** What becomes of a recording and its captions after a stream: how far that is, and what it changed. */

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

const KINDS = ["finish", "final-pass"];

/** @param {Job} job @returns {boolean} whether there is a second account by it */
export const hasImproved = (job) => job.state === "done" && job.result !== null && "words_changed" in job.result;

/** @param {Job} job @returns {string} */
export function jobWords(job) {
  const percent = `${Math.floor(100 * job.progress)} %`;
  if (job.state === "queued") return job.error ? `Finishing is tried again soon. ${job.error}` : "The recording is finished in a moment.";
  if (job.state === "running") return `${job.step || "Finishing"}: ${percent}`;
  if (job.state === "failed") return `What follows a stream could not be done; the recording can be played. ${job.error}`;
  return hasImproved(job) ? changedWords(job.result ?? {}) : "";
}

/**
 * Follows the job that finishes what was recorded of one stream.
 * @param {string} stream
 * @param {(job: Job) => void} told
 * @returns {() => void} stops
 */
export function followJob(stream, told) {
  const mine = (/** @type {Job | undefined} */ job) => job?.subject === stream && KINDS.includes(job.kind) && told(job);
  getJobs(stream).then(({ items }) => mine(items.find((job) => KINDS.includes(job.kind))), () => undefined);
  return store.events.subscribe("jobs", ({ type, data }) => {
    if (type === "job_progress" || type === "job_completed") mine(data);
  });
}
