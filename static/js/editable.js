/** A title that is edited where it stands: Enter keeps, Escape leaves, a tick says that it was saved. */

import { words } from "./api.js";
import { h, icon, say } from "./dom.js";
import { toast } from "./toast.js";

/**
 * @param {object} options
 * @param {string} options.text
 * @param {string} options.label what is being named, for screen readers
 * @param {string} options.testid
 * @param {(text: string) => Promise<unknown>} options.save
 * @param {number} [options.most] characters
 * @returns {{ element: HTMLElement, set: (text: string) => void }}
 */
export function editableTitle({ text, label, testid, save, most = 200 }) {
  const words_ = h("span", { class: "words", dir: "auto", data: { testid } }, text);
  const pencil = h("button", { type: "button", class: "btn quiet icon", "aria-label": `Rename ${label}`, data: { testid: `${testid}-rename` } }, icon("pencil", 20));
  const saved = h("span", { class: "saved", hidden: true, role: "status" }, icon("tick", 18), "Saved");
  const element = h("h1", { class: "editable" }, words_, pencil, saved);

  pencil.addEventListener("click", () => edit());

  function edit() {
    const field = h("input", { class: "edit", value: words_.textContent ?? "", maxLength: most, dir: "auto", "aria-label": `Name of ${label}`, data: { testid: `${testid}-field` } });
    let over = false;
    let pressed = false;
    const press = () => (pressed = true);
    const swap = () => {
      field.replaceWith(words_);
      pencil.hidden = false;
    };
    const close = (/** @type {boolean} */ keep) => {
      if (over) return;
      over = true;
      document.removeEventListener("pointerdown", press, true);
      const next = field.value.trim();
      if (keep && next && next !== words_.textContent) void keepTitle(next);
      // A press beside the field ends the editing; what was pressed must not move away before it is let go.
      if (pressed) for (const type of ["pointerup", "pointercancel"]) window.addEventListener(type, () => setTimeout(swap), { once: true });
      else swap();
    };
    document.addEventListener("pointerdown", press, true);
    field.addEventListener("pointerdown", (event) => {
      event.stopPropagation();
      pressed = false;
    });
    field.addEventListener("keydown", (event) => {
      if (event.isComposing || (event.key !== "Enter" && event.key !== "Escape")) return;
      // The key must not press what takes the focus now.
      event.preventDefault();
      pressed = false;
      close(event.key === "Enter");
      pencil.focus();
    });
    field.addEventListener("blur", () => close(true));
    saved.hidden = true;
    pencil.hidden = true;
    words_.replaceWith(field);
    field.select();
  }

  async function keepTitle(/** @type {string} */ next) {
    const before = words_.textContent ?? "";
    words_.textContent = next;
    try {
      await save(next);
      saved.hidden = false;
      setTimeout(() => (saved.hidden = true), 3000);
    } catch (error) {
      words_.textContent = before;
      toast(`The name was not saved. ${words(error)}`);
    }
  }

  return { element, set: (next) => say(words_, next) };
}
