/** What its owner says about a recording, written where it stands. */

import { words } from "../api.js";
import { h, say } from "../dom.js";
import { toast } from "../toast.js";
import { changeRecording } from "./api.js";

const MOST = 5000;

/** @param {import("../types.js").Recording} recording @param {boolean} own */
export function description(recording, own) {
  let text = recording.description ?? "";
  const shown = h("p", { class: "rc-about", dir: "auto", data: { testid: "description" } });
  const begin = h("button", { type: "button", class: "txt", hidden: !own, data: { testid: "description-edit" } });
  const field = h("textarea", { class: "field", rows: 4, maxLength: MOST, dir: "auto", "aria-label": "Description", data: { testid: "description-field" } });
  const keep = h("button", { type: "submit", class: "btn first", data: { testid: "description-save" } }, "Save");
  const leave = h("button", { type: "button", class: "btn quiet" }, "Cancel");
  const form = h("form", { class: "rc-about-form", hidden: true }, field, h("div", { class: "row gap" }, keep, leave));
  const element = h("div", { class: "rc-description" }, shown, begin, form);

  const show = (/** @type {boolean} */ editing) => {
    say(shown, text);
    shown.hidden = editing || !text;
    begin.hidden = editing || !own;
    say(begin, text ? "Edit the description" : "Add a description");
    form.hidden = !editing;
  };
  const close = () => {
    show(false);
    begin.focus();
  };
  begin.addEventListener("click", () => {
    field.value = text;
    show(true);
    field.focus();
  });
  leave.addEventListener("click", close);
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
    else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const [before, next] = [text, field.value.trim()];
    text = next;
    close();
    try {
      if (next !== before) await changeRecording(recording.id, { description: next });
    } catch (error) {
      text = before;
      show(false);
      toast(`The description was not saved. ${words(error)}`);
    }
  });
  show(false);
  return {
    element,
    /** @param {string} next as somebody has written it elsewhere */
    set(next) {
      text = next;
      if (form.hidden) show(false);
    },
  };
}
