/** Everybody's jobs. */

import { words } from "../api.js";
import { h, say } from "../dom.js";
import { exact, relative } from "../format.js";
import { toast } from "../toast.js";
import { cancelJob, getAllJobs } from "./api.js";
import { paged } from "./paged.js";

const KINDS = /** @type {Record<string, string>} */ ({
  "final-pass": "Captions worked out again",
  finish: "Recording finished",
  diagnose: "File looked at",
  upload: "File made into a recording",
  summary: "Summary written",
});
const STATES = { queued: "waiting", running: "running", done: "done", failed: "failed", cancelled: "cancelled" };

/** @param {import("../captions/api.js").Job & { created_at: string }} job */
function row(job) {
  const state = h("span", { class: "sub" });
  const cancel = h("button", { type: "button", class: "btn", hidden: !["queued", "running"].includes(job.state) }, "Cancel");
  const how = job.state === "running" ? `${Math.round(job.progress * 100)} %${job.step ? `, ${job.step}` : ""}` : STATES[job.state];
  const when = h("time", { dateTime: job.created_at, title: exact(job.created_at) }, relative(job.created_at));
  say(state, `${how}${job.error ? `: ${job.error}` : ""}`);
  cancel.addEventListener("click", async () => {
    cancel.disabled = true;
    try {
      await cancelJob(job.id);
      say(state, "cancelled");
      cancel.hidden = true;
    } catch (error) {
      cancel.disabled = false;
      toast(words(error));
    }
  });
  return h("li", { class: "person" }, h("div", { class: "txts" }, h("b", null, KINDS[job.kind] ?? job.kind), state), h("span", { class: "sub" }, when), cancel);
}

export function jobsSection() {
  const list = paged({ load: getAllJobs, row, none: "There are no jobs.", testid: "admin-jobs" });
  void list.again();
  return list.element;
}
