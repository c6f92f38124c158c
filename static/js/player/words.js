/** What the player says about a live channel. */

import { store } from "../store.js";
import { player } from "./player.js";

/** @typedef {{ what: string, detail: string, trouble: boolean }} Words */

/** @param {import("../types.js").Channel} channel @returns {Words} */
export function liveWords(channel) {
  const stream = store.ofChannel(channel.slug);
  const host = stream?.host ?? channel.host;
  const on = stream?.state === "live" || stream?.state === "reconnecting";
  const listener = player.listener;
  if (player.blocked) return { what: "Press play once more", detail: "The browser wants a press", trouble: true };
  if (!player.wanted || !listener) {
    return on ? { what: `Listen to ${host}`, detail: stream.title, trouble: false } : { what: `${host} is not live`, detail: "Press play to wait", trouble: false };
  }
  if (listener.state === "refused") return { what: "Cannot listen", detail: listener.problem, trouble: true };
  if (listener.state === "retrying") {
    return { what: `Trying again (${Math.max(1, listener.attempts)})`, detail: "plays again by itself", trouble: true };
  }
  if (stream?.state === "reconnecting") return { what: `Waiting for ${host}`, detail: "plays again by itself", trouble: true };
  if (stream?.state !== "live") return { what: `Waiting for ${host}`, detail: "starts by itself", trouble: false };
  if (listener.state === "connecting") return { what: "Connecting", detail: stream.title, trouble: false };
  return { what: "Playing", detail: stream.title, trouble: false };
}
