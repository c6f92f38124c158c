/** The three choices of the studio: which microphone, without the noise or with it, kept or not. */

import { h, icon, say } from "../dom.js";
import { toggle } from "../parts.js";
import { leftoverOption, report, soundChoice } from "./sound.js";

/** @typedef {import("./publisher.js").Publisher} Publisher */

/** @param {Publisher} publisher */
function microphoneChoice(publisher) {
  const { microphone } = publisher;
  const select = h("select", { id: "microphone", data: { testid: "microphone" } });
  select.addEventListener("change", () => void microphone.choose(select.value));
  const wrap = h("span", { class: "select" }, icon("mic", 20), select);
  const attempt = h("button", { type: "button", class: "btn", data: { testid: "try-microphone" }, on: { click: () => void microphone.open() } }, icon("mic", 20), h("span", null, "Try the microphone"));
  const options = processingChoice(publisher);
  const element = h("div", { class: "mic" }, h("h2", null, h("label", { htmlFor: "microphone" }, "Microphone")), wrap, attempt, options.element);
  let shown = "";
  return {
    element,
    show() {
      const open = microphone.stream !== null;
      wrap.hidden = !open;
      attempt.hidden = open;
      attempt.disabled = microphone.unavailable() !== null || microphone.opening;
      options.show();
      const list = microphone.devices.map(({ deviceId, label }, at) => ({ deviceId, label: label || `Microphone ${at + 1}` }));
      const key = JSON.stringify([list, microphone.current]);
      if (key === shown) return;
      shown = key;
      select.replaceChildren(...list.map(({ deviceId, label }) => h("option", { value: deviceId, selected: deviceId === microphone.current }, label)));
    },
  };
}

/** @param {Publisher} publisher */
function processingChoice(publisher) {
  const { microphone } = publisher;
  const gain = toggle("auto-gain", "gain-words", (on) => void microphone.process({ gain: on }));
  const echo = toggle("echo", "echo-words", (on) => void microphone.process({ echo: on }));
  const leftover = leftoverOption(publisher);
  const element = h(
    "details",
    { class: "more" },
    h("summary", null, "Sound options"),
    h("div", { class: "option" }, h("span", { id: "gain-words" }, "Even out the volume"), gain.element),
    h("div", { class: "option" }, h("span", { id: "echo-words" }, "Cancel echo from loudspeakers"), echo.element),
    leftover.element,
  );
  return {
    element,
    show() {
      element.hidden = microphone.stream === null || publisher.music;
      gain.set(microphone.processing.gain);
      echo.set(microphone.processing.echo);
      leftover.show();
    },
  };
}

/** @param {Publisher} publisher */
function recordingChoice(publisher) {
  const control = toggle("record", "record-words", (on) => report(publisher.setRecording(on)));
  const text = h("p", { class: "sub", data: { testid: "record-words" } });
  const element = h("div", null, h("h2", null, h("span", { id: "record-words" }, "Keep a recording"), control.element), text);
  return {
    element,
    show() {
      const stream = publisher.stream;
      const on = publisher.changes.pending("recording") ?? (stream && publisher.onAir ? stream.recording.on : publisher.recording);
      control.set(on);
      say(text, on ? "Listeners see that it is recorded." : "Nothing is kept. Listeners see that, too.");
    },
  };
}

/** @param {Publisher} publisher */
export function controls(publisher) {
  const parts = [microphoneChoice(publisher), soundChoice(publisher), recordingChoice(publisher)];
  const element = h("section", { class: "card trio", "aria-label": "Settings of this broadcast" }, ...parts.map((part) => part.element));
  return { element, show: () => parts.forEach((part) => part.show()) };
}
