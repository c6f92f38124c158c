/** Elements built by hand: text is always text, never markup, and styles go through the CSS object model. */

import { ICONS } from "./icons.js";

const SVG = "http://www.w3.org/2000/svg";

/**
 * @typedef {Node | string | number | null | undefined | false} Child
 * @typedef {Record<string, any>} Props `class`, `on` (listeners by event), `data`, `vars` (custom properties),
 * properties of the element, or attributes.
 */

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Props | null} [props]
 * @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  if (props) setProps(element, props);
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
  return element;
}

/**
 * @param {HTMLElement} element
 * @param {Props} props
 */
function setProps(element, props) {
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null) continue;
    if (name === "class") element.className = value;
    else if (name === "on") for (const [type, handler] of Object.entries(value)) element.addEventListener(type, handler);
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name === "vars") for (const [key, text] of Object.entries(value)) element.style.setProperty(key, String(text));
    else if (name in element && !name.startsWith("aria")) Reflect.set(element, name, value);
    else element.setAttribute(name, String(value));
  }
}

/**
 * @param {string} name one of `ICONS`
 * @param {number} [size] pixels
 */
export function icon(name, size = 24) {
  const svg = document.createElementNS(SVG, "svg");
  const attributes = { class: "ic", width: size, height: size, viewBox: "0 0 24 24", "aria-hidden": "true" };
  for (const [key, value] of Object.entries(attributes)) svg.setAttribute(key, String(value));
  for (const part of ICONS[name] ?? []) svg.append(svgPart(part));
  return svg;
}

/** @param {string | Record<string, string | number>} part a path, or a shape with its tag */
function svgPart(part) {
  const shape = typeof part === "string" ? { tag: "path", d: part } : part;
  const { tag, ...attributes } = shape;
  const element = document.createElementNS(SVG, String(tag));
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  return element;
}

export function logo() {
  const svg = document.createElementNS(SVG, "svg");
  for (const [key, value] of Object.entries({ class: "logo", width: 40, height: 40, viewBox: "0 0 40 40", role: "img" })) {
    svg.setAttribute(key, String(value));
  }
  svg.setAttribute("aria-label", "Clearcast");
  svg.append(
    svgPart({ tag: "path", class: "n", d: "M3 20v0M6.200 14v12M9.400 17v6M12.600 9v22M15.800 15v10M19 11.500v17" }),
    svgPart({
      tag: "path",
      class: "c",
      d: "M22.500 20c1.700-9 4.300-9 6 0s3.800 6.500 5 2.500c.6-1.800 1.600-2.500 3.500-2.500",
    }),
  );
  return svg;
}

/**
 * Set the text only when it differs, so that screen readers are not told the same thing twice.
 * @param {Element} element
 * @param {string} text
 */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @type {WeakMap<Element, string>} */
const told = new WeakMap();

/**
 * The same for what the server says: a command between `backticks` looks like one.
 * @param {Element} element
 * @param {string} text
 */
export function tell(element, text) {
  if (told.get(element) === text) return;
  told.set(element, text);
  element.replaceChildren(...text.split("`").map((part, at) => (at % 2 ? h("code", null, part) : part)));
}

/**
 * @param {string} name what tests know it by
 * @param {string} label
 * @param {string} iconName
 * @param {Props} [props]
 */
export function button(name, label, iconName, props = {}) {
  return h("button", { type: "button", class: "btn", data: { testid: name }, ...props }, icon(iconName, 20), h("span", null, label));
}

/** @param {string} name @returns {HTMLElement} */
export function byId(name) {
  const element = document.getElementById(name);
  if (!element) throw new Error(`The page has no element "${name}".`);
  return element;
}
