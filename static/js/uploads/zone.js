/** Where files are dropped, or chosen. */

import { h, icon, say } from "../dom.js";
import { size } from "../format.js";
import { toast } from "../toast.js";
import { line } from "./line.js";

const KINDS = "audio/*,video/mp4,video/webm,video/quicktime,video/x-matroska,.mp3,.wav,.flac,.m4a,.aac,.ogg,.oga,.opus,.webm,.mp4,.mov,.mkv,.aiff,.wma";

/** @param {DataTransfer} given @returns {File[]} without folders, of which one is told */
function filesOf(given) {
  const folders = [...given.items].filter((item) => item.webkitGetAsEntry?.()?.isDirectory).length;
  if (folders > 0) toast("Folders cannot be dropped. Open the folder, and drop what is in it.");
  const names = new Set([...given.items].flatMap((item) => (item.webkitGetAsEntry?.()?.isDirectory ? [item.getAsFile()?.name] : [])));
  return [...given.files].filter((file) => !names.has(file.name));
}

/** @param {(files: File[]) => void} chosen */
export function zone(chosen) {
  const input = h("input", { type: "file", multiple: true, accept: KINDS, class: "aloud", tabIndex: -1, "aria-hidden": "true", data: { testid: "upload-files" } });
  const button = h("button", { type: "button", class: "btn first", "aria-describedby": "upload-takes", data: { testid: "upload-choose" } }, icon("upload", 20), h("span", null, "Choose files"));
  const takes = h("p", { class: "sub", id: "upload-takes" });
  const lead = h("h2", null, h("span", { class: "desk" }, "Drop sound files anywhere on this page"), h("span", { class: "phone" }, "Add sound that you have"));
  const element = h("section", { class: "drop-zone", "aria-label": "Add files", data: { testid: "drop-zone" } }, lead, takes, h("div", { class: "row" }, button, input));
  const take = (/** @type {File[]} */ files) => {
    if (files.length > 0) chosen(files);
  };
  button.addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    take([...(input.files ?? [])]);
    input.value = "";
  });

  // Anywhere on the page: a file that misses its place would otherwise be opened in place of the page.
  const carries = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files") ?? false;
  let deep = 0;
  const listeners = {
    dragenter: (/** @type {DragEvent} */ event) => {
      if (carries(event)) mark(deep + 1);
    },
    dragleave: (/** @type {DragEvent} */ event) => {
      if (carries(event)) mark(Math.max(0, deep - 1));
    },
    dragover: (/** @type {DragEvent} */ event) => {
      if (carries(event)) event.preventDefault();
    },
    drop: (/** @type {DragEvent} */ event) => {
      if (!carries(event) || !event.dataTransfer) return;
      event.preventDefault();
      mark(0);
      take(filesOf(event.dataTransfer));
    },
  };
  const mark = (/** @type {number} */ now) => {
    deep = now;
    element.classList.toggle("over", deep > 0);
  };
  for (const [type, act] of Object.entries(listeners)) window.addEventListener(type, /** @type {EventListener} */ (act));
  return {
    element,
    show() {
      const most = line.able?.most;
      say(takes, `MP3, WAV, FLAC, M4A, AAC, Ogg, Opus, WebM, or the sound of an MP4.${most ? ` Up to ${size(most)} each.` : ""}`);
    },
    leave() {
      for (const [type, act] of Object.entries(listeners)) window.removeEventListener(type, /** @type {EventListener} */ (act));
    },
  };
}
