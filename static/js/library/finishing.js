/** How far recordings are that are still being finished, from the jobs that do it. */

import { json } from "../api.js";
import { Emitter } from "../emitter.js";
import { store } from "../store.js";
import { about, Pace } from "../uploads/pace.js";

/** @typedef {import("../captions/api.js").Job} Job */

/** What a person waits for; other jobs are nobody's business in a list. */
const KINDS = new Set(["finish", "final_pass", "upload"]);

class Finishing extends Emitter {
  constructor() {
    super();
    /** By the id of what they are about. @type {Map<string, { job: Job, pace: Pace }>} */
    this.jobs = new Map();
    this.following = false;
  }

  follow() {
    if (this.following) return;
    this.following = true;
    store.events.subscribe("jobs", ({ type, data }) => {
      if (type === "snapshot") (data?.items ?? []).forEach((/** @type {Job} */ job) => this.learn(job));
      else if (type === "job_progress" || type === "job_completed") this.learn(data);
      this.changed();
    });
    json("/api/v1/jobs?state=running").then(
      ({ items }) => {
        items.forEach((/** @type {Job} */ job) => this.learn(job));
        this.changed();
      },
      () => undefined,
    );
  }

  /** @param {Job} job */
  learn(job) {
    if (!job || !KINDS.has(job.kind)) return;
    if (job.state !== "running") {
      if (this.jobs.get(job.subject)?.job.id === job.id) this.jobs.delete(job.subject);
      return;
    }
    const known = this.jobs.get(job.subject);
    const pace = known?.job.id === job.id ? known.pace : new Pace();
    pace.saw(job.progress);
    this.jobs.set(job.subject, { job, pace });
  }

  /** @param {import("../types.js").Recording} recording @returns {{ words: string, share: number } | null} */
  of(recording) {
    const known = this.jobs.get(recording.id) ?? this.jobs.get(recording.stream_id);
    if (!known) return null;
    const { job, pace } = known;
    const left = pace.left();
    const doing = job.step ? `${job.step.charAt(0).toLowerCase()}${job.step.slice(1)}, ` : "";
    return { words: `${doing}${Math.floor(100 * job.progress)} %${left === null ? "" : `, ${about(left)} left`}`, share: job.progress };
  }
}

export const finishing = new Finishing();
