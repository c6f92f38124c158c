/** The address at which a stream begins, with everything that was chosen for it. */

import { whipUrl } from "../whip.js";
import { addWishes } from "./wishes.js";

/** @param {import("./publisher.js").Publisher} publisher @param {string} channel */
export function offerUrl(publisher, channel) {
  const { title, music, denoise, recording, strength, postFilter } = publisher;
  return whipUrl(channel, { title, denoise: music ? "music" : denoise ? "active" : "bypassed", record: recording, strength, postFilter }, addWishes);
}
