/** The spectrogram, fetched when somebody wants to see it: the server's picture says how loud, the page in which ink. */

import { request, words } from "../api.js";
import { h, icon, say } from "../dom.js";
import { spectrogramUrl } from "./api.js";

/** Of three hours it is drawn for a while, once. */
const LIMIT_MS = 120_000;

/** @param {string} id of the recording @param {() => [number, number]} range what is shown, 0 to 1 of the whole */
export function spectrogram(id, range) {
  const label = h("span", null, "Show spectrogram");
  const button = h("button", { type: "button", class: "btn quiet", "aria-expanded": "false", data: { testid: "spectrogram-show" } }, icon("spectrum", 20), label);
  const picture = h("div", { class: "spectrum", role: "img", "aria-label": "Spectrogram: low tones at the bottom, high ones at the top, dark where it is loud", data: { testid: "spectrogram" } });
  const scale = h("div", { class: "spectrum-scale", "aria-hidden": "true" }, h("span", null, "12 kHz"), h("span", null, "2 kHz"), h("span", null, "0"));
  const problem = h("p", { class: "sub", role: "status" });
  const element = h("div", { class: "spectrum-place", hidden: true }, picture, scale, problem);
  let loaded = false;

  async function load() {
    say(problem, "Drawing…");
    picture.hidden = scale.hidden = false;
    try {
      await request(spectrogramUrl(id), {}, LIMIT_MS);
      loaded = true;
      picture.style.setProperty("--picture", `url("${spectrogramUrl(id)}")`);
      say(problem, "");
    } catch (error) {
      picture.hidden = scale.hidden = true;
      say(problem, `There is no spectrogram to show. ${words(error)}`);
    }
  }
  /** It is as wide as the whole, of which a part is seen. */
  function place() {
    const [from, to] = range();
    const share = Math.max(0.001, to - from);
    picture.style.setProperty("--wide", `${100 / share}%`);
    picture.style.setProperty("--from", `${share < 1 ? (100 * from) / (1 - share) : 0}%`);
  }
  button.addEventListener("click", () => {
    const open = Boolean(element.hidden);
    element.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
    say(label, open ? "Hide spectrogram" : "Show spectrogram");
    if (open && !loaded) void load();
    place();
  });
  return { button, element, place };
}
