/** Forms: labels that stay, errors in words beside their field, and what password managers need to know. */

import { ApiError, words } from "../api.js";
import { h, say } from "../dom.js";

let made = 0;

/**
 * @typedef {object} FieldOptions
 * @property {string} name
 * @property {string} label
 * @property {string} [type]
 * @property {string} [autocomplete]
 * @property {string} [hint] what to know before one types
 * @property {string} [value]
 * @property {string} [missing] what to say where nothing was typed; without it the field may stay empty
 * @property {number} [most] characters
 * @property {number} [lines] more than one line
 * @property {string} [inputMode]
 *
 * @typedef {ReturnType<typeof field>} Field
 */

/** @param {FieldOptions} options */
export function field(options) {
  const { name, label, hint = "", type = "text", missing = "" } = options;
  const id = `field-${name}-${++made}`;
  const own = { id, name, class: "field", value: options.value ?? "", maxLength: options.most ?? 500, dir: "auto", data: { testid: `field-${name}` } };
  const plain = { type, autocomplete: options.autocomplete ?? "off", autocapitalize: "none", spellcheck: false, inputMode: options.inputMode ?? "" };
  const input = options.lines ? h("textarea", { ...own, class: "field area", rows: options.lines }) : h("input", type === "password" ? { ...own, ...plain, dir: "ltr" } : { ...own, ...plain });
  const note = h("p", { class: "hint", id: `${id}-hint` }, hint);
  const wrong = h("p", { class: "wrong", id: `${id}-wrong`, hidden: true });
  const place = type === "password" ? h("span", { class: "with-eye" }, input, eye(/** @type {HTMLInputElement} */ (input), label)) : input;
  note.hidden = !hint;
  if (hint) input.setAttribute("aria-describedby", note.id);
  if (missing) input.required = true;

  /** @param {string} text empty: all is well */
  const error = (text) => {
    say(wrong, text);
    wrong.hidden = !text;
    if (text) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
    input.setAttribute("aria-describedby", [hint && note.id, text && wrong.id].filter(Boolean).join(" "));
  };
  input.addEventListener("input", () => error(""));
  return {
    name,
    input,
    error,
    element: h("div", { class: "line" }, h("label", { htmlFor: id }, label), place, note, wrong),
    get value() {
      return type === "password" ? input.value : input.value.trim();
    },
    /** @returns {boolean} whether something that is needed is there; says so where it is not */
    complete() {
      if (!missing || this.value) return true;
      error(missing);
      return false;
    },
  };
}

/** @param {HTMLInputElement} input @param {string} label */
function eye(input, label) {
  const button = h("button", { type: "button", class: "btn quiet eye", "aria-pressed": "false", "aria-label": `Show ${label.toLowerCase()}` }, "Show");
  button.addEventListener("click", () => {
    const shown = input.type === "password";
    input.type = shown ? "text" : "password";
    say(button, shown ? "Hide" : "Show");
    button.setAttribute("aria-pressed", String(shown));
  });
  return button;
}

/**
 * For password managers where no name is typed: whose password it is.
 * @param {string} name
 */
export function whose(name) {
  return h("input", { class: "aloud", type: "text", name: "username", autocomplete: "username", value: name, readOnly: true, tabIndex: -1, "aria-hidden": "true" });
}

/**
 * @param {object} options
 * @param {string} options.testid
 * @param {Field[]} options.fields
 * @param {string} options.submit words of the button
 * @param {() => Promise<string | void>} options.send what it returns is said then
 * @param {(code: string, text: string) => string} [options.place] name of the field that an error belongs to
 * @param {(HTMLElement | null)[]} [options.extra] between the fields and the button
 * @param {boolean} [options.quiet] whether the button is a plain one
 */
export function form({ testid, fields, submit, send, place = () => "", extra = [], quiet = false }) {
  const wrong = h("p", { class: "wrong", role: "alert", hidden: true, data: { testid: `${testid}-wrong` } });
  const done = h("p", { class: "said", role: "status" });
  const button = h("button", { type: "submit", class: quiet ? "btn" : "btn first", data: { testid: `${testid}-submit` } }, submit);
  const element = h("form", { class: "form", method: "post", noValidate: true, data: { testid } }, ...fields.map((one) => one.element), ...extra, wrong, h("div", { class: "row gap" }, button, done));
  let busy = false;

  /** @param {unknown} error */
  const refuse = (error) => {
    const code = error instanceof ApiError ? error.code : "";
    const text = words(error);
    // What the server says of a field begins with its name: "display_name: …".
    const named = fields.find(({ name }) => place(code, text) === name) ?? fields.find(({ name }) => text.startsWith(`${name}: `));
    if (named) {
      named.error(sentence(text, named.name));
      named.input.focus();
    } else {
      say(wrong, text);
      wrong.hidden = false;
    }
  };
  element.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (busy) return;
    wrong.hidden = true;
    say(done, "");
    const lacking = fields.filter((one) => !one.complete());
    if (lacking[0]) return lacking[0].input.focus();
    busy = true;
    button.setAttribute("aria-disabled", "true");
    try {
      say(done, (await send()) || "");
    } catch (error) {
      refuse(error);
    } finally {
      busy = false;
      button.removeAttribute("aria-disabled");
    }
  });
  return { element, fields };
}

/** @param {string} text @param {string} name */
function sentence(text, name) {
  const plain = text.startsWith(`${name}: `) ? text.slice(name.length + 2) : text;
  return plain.charAt(0).toUpperCase() + plain.slice(1) + (/[.!?]$/.test(plain) ? "" : ".");
}
