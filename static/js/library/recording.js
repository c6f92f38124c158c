/** What is said of a recording wherever it stands, and how it is deleted. */

import { deleteRecording, restoreRecording, words } from "../api.js";
import { player } from "../player/player.js";
import { toast } from "../toast.js";

/** @typedef {import("../types.js").Recording} Recording */

const STATES = {
  recording: "being recorded now",
  finishing: "being finished",
  ready: "",
  failed: "could not be kept whole",
  recovered: "recovered after an interruption",
};

/** @param {Recording} recording @returns {string} empty while all is well */
export function stateWords(recording) {
  return STATES[recording.state] ?? "";
}

/** @param {Recording} recording @returns {boolean} */
export function playable(recording) {
  return recording.state === "ready" || recording.state === "recovered";
}

/**
 * Delete, and offer to undo it.
 * @param {Recording} recording
 * @param {() => void} [undone]
 */
export async function remove(recording, undone) {
  try {
    await deleteRecording(recording.id);
  } catch (error) {
    toast(`“${recording.title}” was not deleted. ${words(error)}`);
    return false;
  }
  if (player.holds({ kind: "recording", recording })) player.close();
  const undo = () => restoreRecording(recording.id).then(() => undone?.(), (error) => toast(words(error)));
  toast(`Deleted “${recording.title}”.`, { label: "Undo", act: () => void undo() });
  return true;
}
