/** A new voice from a sample: some seconds of one person, from the microphone or from a file. */

import { ApiError, words } from "../api.js";
import { createVoice } from "../captions/voices.js";
import { h, icon, say } from "../dom.js";
import { count } from "../format.js";
import { field } from "../people/fields.js";
import { Microphone } from "../studio/microphone.js";
import { RATE, record, wav } from "../studio/pcm.js";
import { toast } from "../toast.js";

const RECORDED_S = 12;
/** What the server takes. */
const LONGEST_S = 30;
const LARGEST = 60_000_000;
const READ_THIS = "Read something aloud, or tell what you did this morning: twelve seconds, one person alone.";

class NoSound extends Error {}

/** @param {File} file @returns {Promise<Float32Array>} its beginning, as one channel at 48 kHz */
async function samplesOfFile(file) {
  if (file.size > LARGEST) throw new NoSound("That file is too large for a sample. Choose one with a minute of speech at most.");
  const context = new OfflineAudioContext(1, RATE, RATE);
  const sound = await context.decodeAudioData(await file.arrayBuffer()).catch(() => {
    throw new NoSound("This browser finds no sound in that file. Choose another one, a WAV or MP3 say.");
  });
  const length = Math.min(sound.length, LONGEST_S * RATE);
  const mono = new Float32Array(length);
  for (let channel = 0; channel < sound.numberOfChannels; channel += 1) {
    sound.getChannelData(channel).subarray(0, length).forEach((value, at) => (mono[at] = (mono[at] ?? 0) + value / sound.numberOfChannels));
  }
  return mono;
}

/** @param {(text: string) => void} tell @param {AbortSignal} signal @returns {Promise<Float32Array>} */
async function samplesOfMicrophone(tell, signal) {
  const microphone = new Microphone();
  const track = await microphone.open();
  const { stream, trouble } = microphone;
  if (!track || !stream) throw new NoSound(trouble ? `${trouble.what} ${trouble.remedy}` : "The microphone did not start.");
  let have = 0;
  try {
    return await record(stream, RECORDED_S, signal, (block, rate) => {
      have += block.length / rate;
      tell(`Listening. ${count(Math.max(0, Math.ceil(RECORDED_S - have)), "second")} to go.`);
    });
  } finally {
    microphone.close();
  }
}

function parts() {
  const name = field({ name: "voice-name", label: "Who it is", most: 80, missing: "Type who it is." });
  const agreed = h("input", { type: "checkbox", data: { testid: "voice-consent" } });
  const consent = h("label", { class: "check" }, agreed, h("span", null, "They agree to be known by their voice on this server"));
  const listen = h("button", { type: "button", class: "btn first", data: { testid: "voice-record" } }, icon("mic", 20), h("span", null, "Record twelve seconds"));
  const choose = h("button", { type: "button", class: "btn", data: { testid: "voice-choose" } }, icon("upload", 20), h("span", null, "Choose a file"));
  const input = h("input", { type: "file", accept: "audio/*", hidden: true, data: { testid: "voice-file" } });
  const status = h("p", { class: "hint", role: "status", data: { testid: "voice-status" } }, READ_THIS);
  return { name, agreed, consent, listen, choose, input, status };
}

/** @param {() => void} done */
export function newVoice(done) {
  const { name, agreed, consent, listen, choose, input, status } = parts();
  const element = h("details", { class: "fold new-voice" }, h("summary", { data: { testid: "new-voice" } }, h("span", { class: "label" }, "Add a voice from a sample")), h("div", { class: "form" }, name.element, consent, h("div", { class: "row gap" }, listen, choose, input), status));
  const ending = new AbortController();
  let busy = false;

  /** @returns {boolean} */
  function ready() {
    if (!name.complete()) name.input.focus();
    else if (!agreed.checked) {
      say(status, "Ask them first, and say here that they agree.");
      agreed.focus();
    } else return !busy;
    return false;
  }
  /** @param {() => Promise<Float32Array>} get */
  async function make(get) {
    if (!ready()) return;
    busy = listen.disabled = choose.disabled = true;
    try {
      const sample = wav(await get());
      say(status, "Listening to what is in it…");
      await keep(sample);
    } catch (error) {
      if (!ending.signal.aborted) say(status, error instanceof NoSound ? error.message : words(error));
    }
    busy = listen.disabled = choose.disabled = false;
  }
  /** @param {Blob} sample @param {"add" | "replace"} [existing] */
  async function keep(sample, existing) {
    try {
      const voice = await createVoice(name.value, sample, existing);
      toast(`${voice.name} is known by voice now.`);
      name.input.value = "";
      agreed.checked = element.open = false;
      say(status, READ_THIS);
      done();
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== "voice-differs") throw error;
      const again = (/** @type {"add" | "replace"} */ way) => () => void keep(sample, way).catch((wrong) => say(status, words(wrong)));
      say(status, error.message);
      toast(error.message, [{ label: "Add it", act: again("add") }, { label: "Replace", act: again("replace") }], 30_000);
    }
  }
  listen.addEventListener("click", () => void make(() => samplesOfMicrophone((text) => say(status, text), ending.signal)));
  choose.addEventListener("click", () => ready() && input.click());
  input.addEventListener("change", () => {
    const [file] = input.files ?? [];
    input.value = "";
    if (file) void make(() => samplesOfFile(file));
  });
  return { element, leave: () => ending.abort() };
}
