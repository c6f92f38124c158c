/** What was measured of a recording, and what worked on it, in words. */

import { getRecording } from "../api.js";
import { h } from "../dom.js";
import { clock, count } from "../format.js";
import { colour, fit } from "../palette.js";

/** @typedef {import("../types.js").Facts} Facts */

/** @type {Record<string, string>} */
const MODES = { active: "noise removed", bypassed: "original sound", absent: "original sound", music: "music, untouched", degraded: "original sound, since noise removal was resting" };

/** @param {string} name @param {(Node | string)[]} about */
const fact = (name, ...about) => h("div", { class: "fact" }, h("dt", null, name), h("dd", null, ...about));

/** @param {number} seconds @param {(seconds: number) => void} seek */
const at = (seconds, seek) => h("button", { type: "button", class: "txt tn", on: { click: () => seek(seconds) } }, clock(seconds));

/** Intervals as a sentence each; of very many the first. @param {Node[]} lines */
function list(lines) {
  const most = 12;
  const rest = lines.length - most;
  return h("ul", { class: "spans" }, ...lines.slice(0, most).map((one) => h("li", null, one)), rest > 0 && h("li", { class: "sub" }, `and ${rest} more`));
}

/** @param {Facts} facts @param {(seconds: number) => void} seek @returns {HTMLElement[]} */
function measured({ loudness, gaps = [], denoise = [], models = [] }, seek) {
  const number = (/** @type {number | null} */ value, /** @type {string} */ unit) => (value === null ? "unknown" : `${value.toFixed(1)} ${unit}`);
  const parts = [];
  if (loudness) parts.push(fact("Loudness", `${number(loudness.integrated_lufs, "LUFS")}, range ${number(loudness.range_lu, "LU")}, true peak ${number(loudness.true_peak_dbtp, "dBTP")}. Measured by EBU R 128, nothing was changed.`));
  if (denoise.length > 0) {
    const lines = denoise.map(({ start_s: from, end_s: to, mode, strength }) => h("span", null, at(from, seek), ` to ${clock(to)}: ${MODES[mode] ?? mode}${mode === "active" && strength < 1 ? `, ${Math.round(100 * strength)} %` : ""}`));
    parts.push(fact("Noise", list(lines)));
  }
  const lost = gaps.map(({ start_s: from, end_s: to, kind }) => h("span", null, at(from, seek), ` for ${(to - from).toFixed(1)} s: ${kind}`));
  parts.push(fact("Gaps", ...(lost.length > 0 ? [`${count(lost.length, "gap")}, filled with silence.`, list(lost)] : ["None. Everything that was said is there."])));
  if (models.length > 0) parts.push(fact("Models", list(models.map(({ stage, name, version }) => h("span", null, `${stage}: ${name}${version ? ` (${version})` : ""}`)))));
  return parts;
}

/** @param {[number, number][]} listeners second, how many @param {number} duration seconds */
function audience(listeners, duration) {
  const canvas = h("canvas", { class: "audience", role: "img", data: { testid: "listeners-over-time" } });
  const most = Math.max(0, ...listeners.map(([, many]) => many));
  canvas.setAttribute("aria-label", `Listeners over time, at most ${most}`);
  const draw = () => {
    const surface = fit(canvas);
    if (!surface || most === 0) return;
    const { context, width, height } = surface;
    context.fillStyle = colour("ink-3");
    for (const [place, [from, many]] of listeners.entries()) {
      const to = listeners[place + 1]?.[0] ?? duration;
      const tall = (many / most) * (height - 2);
      context.fillRect((from / duration) * width, height - tall, Math.max(1, ((to - from) / duration) * width), tall);
    }
  };
  const resized = new ResizeObserver(draw);
  resized.observe(canvas);
  return { element: fact("Listeners", `At most ${most} at once.`, canvas), stop: () => resized.disconnect() };
}

/** @param {string} id of the recording @param {(seconds: number) => void} seek */
export function facts(id, seek) {
  const body = h("dl", { class: "facts" });
  const element = h("details", { class: "more fold", hidden: true, data: { testid: "facts" } }, h("summary", null, "About this recording"), body);
  let stop = () => {};
  return {
    element,
    /** @param {import("../types.js").Recording} recording */
    show({ facts: found, duration_s: duration }) {
      element.hidden = !found;
      if (!found) return;
      stop();
      const heard = found.listeners?.length ? audience(found.listeners, duration) : null;
      stop = heard?.stop ?? (() => {});
      body.replaceChildren(...measured(found, seek), ...(heard ? [heard.element] : []));
    },
    /** Events tell of a recording without its facts. */
    async again() {
      try {
        this.show(await getRecording(id));
      } catch {
        // What was known stays; the page says elsewhere when the server does not answer.
      }
    },
    leave: () => stop(),
  };
}
