/** Five seconds of one speaker, to hear before one names them. */

import { h, icon } from "../dom.js";
import { player } from "../player/player.js";
import { toast } from "../toast.js";

/** One at a time. @type {{ audio: HTMLAudioElement, end: () => void } | null} */
let playing = null;

/** @param {string} url */
export function sampleButton(url) {
  let name = "";
  const [play, stop] = [icon("play", 18), icon("pause", 18)];
  const button = h("button", { type: "button", class: "btn quiet icon", data: { testid: "sample" } }, play, stop);
  const show = (/** @type {boolean} */ on) => {
    play.classList.toggle("off", on);
    stop.classList.toggle("off", !on);
    const words = on ? `Stop ${name}’s sample` : `Hear five seconds of ${name}`;
    button.title = words;
    button.setAttribute("aria-label", words);
  };
  const end = () => {
    if (playing?.end !== end) return;
    playing.audio.pause();
    playing = null;
    show(false);
  };
  async function begin() {
    playing?.end();
    if (player.wanted) player.pause();
    const audio = new Audio(url);
    audio.volume = player.volume;
    playing = { audio, end };
    show(true);
    audio.addEventListener("ended", end);
    try {
      await audio.play();
    } catch (error) {
      const mine = playing?.audio === audio;
      end();
      // Stopped by another press before it began: nothing went wrong.
      if (mine && !(error instanceof DOMException && error.name === "AbortError")) toast(`There is no sample of ${name}: they may never speak alone for long enough.`);
    }
  }
  button.addEventListener("click", () => (playing?.end === end ? end() : void begin()));
  return {
    button,
    /** @param {string} who */
    say(who) {
      name = who;
      show(playing?.end === end);
    },
    stop: end,
  };
}
