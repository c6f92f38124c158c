/** Files that the server makes first, which takes minutes for hours of sound: one sees how far it is, then it is saved. */

import { json, words } from "../api.js";
import { h, say } from "../dom.js";
import { toast } from "../toast.js";
import { about, Pace } from "../uploads/pace.js";

const ASK_MS = 1000;

/** @typedef {{ ready: boolean, share: number }} Progress */

/** @param {string} href of the sound @returns {Promise<Progress>} */
const progress = (href) => json(href.replace("/audio?", "/audio/progress?"));

/** One line of words for all of them. */
export function making() {
  const line = h("p", { class: "sub", role: "status", hidden: true, data: { testid: "making" } });
  /** Links whose file is being made. @type {Set<string>} */
  const going = new Set();

  /** @param {string} text */
  function tell(text) {
    say(line, text);
    line.hidden = !text;
  }

  /** @param {string} href @param {string} name */
  async function make(href, name) {
    const pace = new Pace();
    for (;;) {
      const { ready, share } = await progress(href);
      if (ready) return;
      pace.saw(share);
      const left = pace.left();
      tell(`${name} is being made · ${Math.floor(100 * share)} %${left === null ? "" : ` · ${about(left)} left`}. Then it is saved.`);
      await new Promise((resolve) => setTimeout(resolve, ASK_MS));
    }
  }

  /** Have a click on a link wait for its file. @param {HTMLAnchorElement} link @param {() => string} name as people call it */
  function follow(link, name) {
    link.addEventListener("click", async (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      const { href } = link;
      if (going.has(href)) return;
      going.add(href);
      link.setAttribute("aria-busy", "true");
      try {
        await make(href, name());
        h("a", { href, download: "" }).click();
      } catch (error) {
        toast(`${name()} was not made. ${words(error)}`);
      }
      going.delete(href);
      link.removeAttribute("aria-busy");
      if (!going.size) tell("");
    });
  }

  return { line, follow };
}
