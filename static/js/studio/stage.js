/** The disc, the ring around it, what the microphone hears on its left and who hears it on its right. */

import { h, icon, say } from "../dom.js";
import { animate } from "../palette.js";
import { drawTrace } from "../trace.js";
import { Hold } from "./hold.js";
import { Ring } from "./ring.js";

/** @typedef {import("./publisher.js").Publisher} Publisher */

const LABELS = { idle: "Go live", starting: "Starting", live: "Stop", reconnecting: "Stop", stopping: "Stopping" };

/** @param {Publisher} publisher @param {(text: string) => void} hint */
function discButton(publisher, hint) {
  const label = h("span", null, "Go live");
  const small = h("small", null, "hold ", h("span", { class: "desk" }, "a second"), h("span", { class: "phone" }, "1 s"));
  const button = h("button", { type: "button", class: "disc", data: { testid: "go-live" } }, label, small);
  const hold = new Hold(button, {
    active: () => publisher.onAir,
    press: () => void publisher.start(),
    done: () => void publisher.stop(),
    hint,
  });
  return {
    button,
    hold,
    show() {
      const { onAir, state } = publisher;
      button.classList.toggle("air", onAir);
      button.setAttribute("aria-disabled", String(state === "starting" || state === "stopping"));
      button.setAttribute("aria-label", LABELS[state]);
      if (onAir) button.setAttribute("aria-description", "Hold for a second to stop");
      else button.removeAttribute("aria-description");
      say(label, LABELS[state]);
      small.hidden = !onAir;
    },
  };
}

/**
 * @param {Publisher} publisher
 * @param {(text: string) => void} hint
 */
export function stage(publisher, hint) {
  const disc = discButton(publisher, hint);
  const ringCanvas = h("canvas", { class: "ring", "aria-hidden": "true" });
  const meter = h("div", { class: "meter" }, ringCanvas, disc.button);
  const input = h("canvas", { class: "through-canvas", "aria-hidden": "true" });
  const left = h("div", { class: "through in" }, input, h("span", { class: "cap-l" }, "What your microphone hears"));
  const right = h("div", { class: "through out" }, h("div", { class: "flat" }), h("span", { class: "cap-r" }, "Nobody hears you yet"));
  const ring = new Ring(ringCanvas);

  const stop = animate((now) => {
    const { tracker } = publisher.meter;
    const heard = publisher.microphone.stream !== null && !publisher.muted;
    // The ring shows peaks, because what clips are peaks; those of noise stand some 10 dB above its mean.
    const floor = heard ? tracker.floor + 10 : -100;
    ring.draw({ level: heard ? tracker.peak : -100, floor, held: heard ? tracker.held : -100, live: publisher.onAir, heard: publisher.state === "live", hold: disc.hold.progress }, now);
    if (!publisher.onAir) drawTrace(input, publisher.microphone.stream ? tracker.bars : []);
  });

  return { meter, left, right, show: disc.show, stop };
}

/** @param {Publisher} publisher */
export function muteButton(publisher) {
  const on = icon("micOff", 20);
  const label = h("span", null, "Mute");
  const button = h("button", { type: "button", class: "btn", "aria-pressed": "false", data: { testid: "mute" } }, on, label);
  button.addEventListener("click", () => publisher.setMuted(!publisher.muted));
  return {
    button,
    show() {
      button.setAttribute("aria-pressed", String(publisher.muted));
      button.classList.toggle("pressed", publisher.muted);
      say(label, publisher.muted ? "Unmute" : "Mute");
    },
  };
}
