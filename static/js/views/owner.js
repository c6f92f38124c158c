/** What whoever owns a stream may change about it from the listen page. */

import { changeStream, words } from "../api.js";
import { h } from "../dom.js";
import { toggle } from "../parts.js";
import { store } from "../store.js";
import { toast } from "../toast.js";

/**
 * The denoiser's switch, for a stream that comes from another program or page: `clearcast demo`, say. For everybody
 * who listens it would be a trap. Where there are no accounts, the owner is whoever sits at the server.
 * @param {boolean} known whether somebody has signed in, or sits there
 */
export function noiseSwitch(known) {
  let id = "";
  const control = toggle("listen-denoise", "listen-denoise-words", (on) => {
    control.set(on);
    changeStream(id, { denoise: on ? "active" : "bypassed" })
      .then((stream) => store.learn(stream))
      .catch((error) => toast(words(error)));
  });
  const element = h("p", { class: "row noise", hidden: true }, h("span", { id: "listen-denoise-words" }, "Take the noise out, for everybody"), control.element);
  return {
    element,
    /** @param {import("../types.js").Stream | null} stream */
    show(stream) {
      const able = known && stream !== null && store.owns(stream) && stream.state === "live" && !["absent", "music"].includes(stream.denoise.mode);
      element.hidden = !able;
      if (!stream) return;
      id = stream.id;
      control.set(stream.denoise.mode === "active");
    },
  };
}
