/** What a listener is told who may not listen any more: the sound ends, and the page says why. */

import { player } from "../player/player.js";
import { again } from "../router.js";
import { store } from "../store.js";
import { toast } from "../toast.js";

/** @returns {string} id of the stream that one listens to; empty: none */
function heard() {
  if (!player.wanted || player.source?.kind !== "live") return "";
  const stream = store.ofChannel(player.source.channel.slug);
  return stream && stream.state !== "ended" ? stream.id : "";
}

/** @param {{ reason: string, session: string | null }} told */
function removed({ reason, session }) {
  // Another window of one's own may be the one that is meant.
  if (session && !player.listener?.sessions.includes(session)) return;
  const host = player.source?.kind === "live" ? player.source.channel.host : "";
  if (reason === "removed") {
    player.pause();
    player.removed = `${host} has ended your connection. You may come back with a press on Play, unless you are not let in again.`;
    return player.changed();
  }
  player.close();
  toast("This is not open to you any more: whoever it belongs to has changed who may hear it.");
  return again();
}

export function heedRemoval() {
  let followed = "";
  let stop = () => {};
  player.watch(() => {
    const id = heard();
    if (id === followed) return;
    followed = id;
    stop();
    stop = id ? store.events.subscribe(`stream:${id}`, ({ type, data }) => type === "removed" && removed(data)) : () => {};
  });
}
