/** What an empty account is told to do first. */

import { h, icon } from "../dom.js";
import { colour, fit } from "../palette.js";
import { store } from "../store.js";
import { inviteButton } from "./inviting.js";

const PITCH = 5;
/** Where words begin and end, in bars of the whole: the picture is the same at every visit. */
const WORDS = 7;

/** A room full of noise that becomes a line, and the voice that stays. @param {HTMLCanvasElement} canvas */
function emblem(canvas) {
  const fitted = fit(canvas);
  if (!fitted) return;
  const { context, width, height } = fitted;
  const [middle, bars] = [height / 2, Math.floor(width / PITCH)];
  const bar = (/** @type {number} */ at, /** @type {number} */ half) => {
    context.beginPath();
    context.moveTo(at * PITCH + 1.5, middle - half);
    context.lineTo(at * PITCH + 1.5, middle + half);
    context.stroke();
  };
  context.strokeStyle = colour("ink");
  context.lineWidth = 1.5;
  context.beginPath();
  context.moveTo(0, middle);
  context.lineTo(width, middle);
  context.stroke();
  context.lineWidth = 2.6;
  for (let at = 0; at < bars; at += 1) {
    const chance = Math.abs(Math.sin(at * 12.9898) * 43758.5453) % 1;
    const share = at / bars;
    const noise = height * 0.24 * Math.max(0, 1 - share * 1.7) * (0.7 + 0.5 * chance);
    const word = Math.sin(share * bars * 0.26) * Math.sin(share * WORDS * 2.6 + 0.4);
    const voice = word > 0.12 ? height * (0.1 + 0.36 * word * (0.6 + 0.4 * chance)) : 0;
    if (noise > 1) {
      context.strokeStyle = colour("line-strong");
      bar(at, noise);
    }
    if (voice > noise) {
      context.strokeStyle = colour("ink");
      bar(at, voice);
    }
  }
}

/** @param {number} number @param {string} title @param {string} text @param {...HTMLElement} actions */
function step(number, title, text, ...actions) {
  return h("li", { class: number === 1 ? "next" : "" }, h("span", { class: "num", "aria-hidden": "true" }, number), h("div", null, h("h2", null, title), h("p", null, text)), h("div", { class: "row gap" }, ...actions));
}

export function welcome() {
  const canvas = h("canvas", { "aria-hidden": "true" });
  // It stands still: drawn when it gets its size, and when the colours change.
  const sized = new ResizeObserver(() => emblem(canvas));
  sized.observe(canvas);
  const scheme = window.matchMedia("(prefers-color-scheme: dark)");
  const redraw = () => requestAnimationFrame(() => emblem(canvas));
  scheme.addEventListener("change", redraw);
  const stop = () => {
    sized.disconnect();
    scheme.removeEventListener("change", redraw);
  };
  const studio = h("a", { class: "btn first", href: "/", data: { testid: "first-step" } }, icon("mic", 20), "Start the sound check");
  const find = h("a", { class: "btn", href: "/friends" }, icon("search", 20), "Find people");
  const steps = h(
    "ol",
    { class: "card steps" },
    step(1, "Try your microphone", "Speak for five seconds, then hear yourself raw and clean. Nobody else hears it, nothing is kept.", studio),
    step(2, "Find a friend", "Ask somebody who is here, or send a link to somebody who is not. Friends are told when you go live.", find, inviteButton()),
    step(3, "Go live", "One press in the studio. What you said is kept for you to hear, read and download.", h("a", { class: "btn", href: "/" }, icon("live", 20), "Studio")),
  );
  const element = h(
    "div",
    { class: "welcome", data: { testid: "welcome" } },
    h("p", { class: "lead" }, "Nobody is live, and you have no friends here so far. Three small steps, and people can hear you."),
    h("div", { class: "emblem" }, canvas, h("span", { class: "sub" }, "Your room"), h("span", { class: "sub" }, "What your friends hear")),
    steps,
  );
  return { element, stop, title: `Welcome, ${store.me?.display_name ?? ""}` };
}
