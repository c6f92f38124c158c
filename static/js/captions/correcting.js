/** Captions that a person corrects or hides: by double-click, by the buttons beside them, or by keys. */

import { words } from "../api.js";
import { h, icon } from "../dom.js";
import { toast } from "../toast.js";
import { undoEdit } from "../recording/api.js";
import { changeCaption } from "./api.js";
import { askWho, CaptionCard, showVersions } from "./further.js";

/** @typedef {import("../types.js").Caption} Caption */
/** @typedef {{ caption: (id: number) => HTMLElement | null }} Elements by number, those that there are */

const HINT = "Enter corrects, Delete hides, the arrow keys go up and down";

/**
 * @typedef {object} Source
 * @property {() => string | null} stream
 * @property {(id: number) => Caption | undefined} find
 * @property {(caption: Caption) => void} put the newest version
 * @property {() => string} [version] of the captions
 * @property {import("./speakers.js").Speakers} [speakers] beside a recording: who may have said it
 */

export class Correcting {
  /**
   * @param {HTMLElement} place in which the buttons float
   * @param {() => Elements} list
   * @param {Source} source
   */
  constructor(place, list, source) {
    this.place = place;
    this.list = list;
    this.source = source;
    this.current = 0;
    this.edit = this.button("caption-edit", "Correct", "pencil", () => this.begin(this.current));
    this.hide = this.button("caption-hide", "Hide for everybody", "eyeOff", () => void this.setHidden(this.current));
    this.unhide = this.button("caption-show", "Show again", "eye", () => void this.setHidden(this.current));
    this.card = new CaptionCard(place);
    const further = source.speakers ? [this.button("caption-who", "Somebody else said it", "people", () => this.askWho(this.current)), this.button("caption-versions", "Earlier versions", "history", () => this.showVersions(this.current))] : [];
    this.tools = h("div", { class: "cap-tools", role: "group", "aria-label": "This caption", hidden: true }, this.edit, ...further, this.hide, this.unhide);
    place.append(this.tools);
    place.addEventListener("dblclick", (event) => this.begin(this.at(event)));
    this.leaving = 0;
    place.addEventListener("pointerover", (event) => event.pointerType === "mouse" && this.over(event));
    place.addEventListener("pointerleave", () => !this.place.contains(document.activeElement) && this.point(0));
    place.addEventListener("focusin", (event) => this.point(this.at(event) || (this.tools.contains(/** @type {Node} */ (event.target)) ? this.current : 0)));
    place.addEventListener("keydown", (event) => this.key(event));
    place.addEventListener("scroll", () => this.point(0), { capture: true, passive: true });
  }

  /** @param {string} testid @param {string} label @param {string} picture @param {() => void} act */
  button(testid, label, picture, act) {
    return h("button", { type: "button", class: "btn icon", "aria-label": label, title: label, data: { testid }, on: { click: act } }, icon(picture, 20));
  }

  /** @param {HTMLElement} element @param {Caption} caption what `TurnList` calls for each */
  dress(element, caption) {
    if (!caption.final) return element.removeAttribute("tabindex");
    element.tabIndex = -1;
    element.setAttribute("aria-description", caption.hidden ? `Hidden. ${HINT}` : HINT);
    return undefined;
  }

  /** One of them is in the order of the Tab key. */
  rove() {
    const all = [...this.place.querySelectorAll(".cap[tabindex]")];
    const first = all.find((one) => one === document.activeElement) ?? all.at(-1);
    for (const one of all) if (one instanceof HTMLElement) one.tabIndex = one === first ? 0 : -1;
  }

  /** @param {Event} event @returns {number} the caption's id, 0: none */
  at(event) {
    const found = event.target instanceof Element ? event.target.closest(".cap") : null;
    return found instanceof HTMLElement ? Number(found.dataset["caption"]) : 0;
  }

  /** The way from a caption to its buttons may lead over something else. @param {PointerEvent} event */
  over(event) {
    clearTimeout(this.leaving);
    const id = this.at(event);
    if (id) this.point(id);
    else if (!(event.target instanceof Node && this.tools.contains(event.target))) this.leaving = setTimeout(() => this.point(0), 600);
  }

  /** @param {number} id */
  point(id) {
    const caption = this.source.find(id);
    const element = this.list().caption(id);
    this.tools.hidden = !caption?.final || !element || Boolean(element.dataset["editing"]);
    if (!caption || !element || this.tools.hidden) return;
    this.current = id;
    this.hide.hidden = caption.hidden;
    this.unhide.hidden = !caption.hidden;
    const [room, line] = [this.place.getBoundingClientRect(), element.getClientRects()[0]];
    if (!line) return;
    this.tools.style.setProperty("--top", `${line.top - room.top}px`);
    this.tools.style.setProperty("--left", `${Math.min(Math.max(0, line.left - room.left), room.width - (this.source.speakers ? 184 : 100))}px`);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const id = this.at(event);
    const element = this.list().caption(id);
    if (!element || element.dataset["editing"]) return;
    const all = [...this.place.querySelectorAll(".cap[tabindex]")];
    const by = { ArrowUp: -1, ArrowDown: 1 }[event.key] ?? 0;
    const next = by ? all[all.indexOf(element) + by] : null;
    if (event.key === "Enter" || event.key === "F2") this.begin(id);
    else if (event.key === "Delete") void this.setHidden(id);
    else if (next instanceof HTMLElement) {
      next.focus();
      this.rove();
    } else return;
    event.preventDefault();
  }

  /** @param {number} id */
  begin(id) {
    const caption = this.source.find(id);
    const element = this.list().caption(id);
    if (!caption?.final || !element || element.dataset["editing"]) return;
    this.point(0);
    element.dataset["editing"] = "yes";
    element.textContent = caption.text;
    element.setAttribute("contenteditable", "plaintext-only");
    if (element.contentEditable !== "plaintext-only") element.contentEditable = "true";
    element.setAttribute("role", "textbox");
    element.setAttribute("aria-label", "Correct this caption");
    element.focus({ preventScroll: true });
    getSelection()?.selectAllChildren(element);
    getSelection()?.collapseToEnd();
    const over = new AbortController();
    const end = (/** @type {boolean} */ keep) => {
      if (over.signal.aborted) return;
      over.abort();
      this.end(element, caption, keep);
    };
    element.addEventListener("blur", () => end(true), { signal: over.signal });
    element.addEventListener("keydown", (event) => {
      if (event.isComposing || (event.key !== "Enter" && event.key !== "Escape")) return;
      event.preventDefault();
      event.stopPropagation();
      end(event.key === "Enter");
      element.focus({ preventScroll: true });
      this.point(caption.id);
    }, { signal: over.signal });
  }

  /** @param {HTMLElement} element @param {Caption} caption @param {boolean} keep */
  end(element, caption, keep) {
    const text = (element.textContent ?? "").trim().replace(/\s+/g, " ");
    for (const name of ["contenteditable", "role", "aria-label"]) element.removeAttribute(name);
    delete element.dataset["editing"];
    const now = this.source.find(caption.id) ?? caption;
    // A new object, so that the words are drawn again whether they changed or not.
    if (!keep || !text || text === caption.text) return this.source.put({ ...now });
    return void this.change(now, { text }, "The correction was not saved.");
  }

  /** @param {number} id */
  askWho(id) {
    const [caption, element, { speakers }] = [this.source.find(id), this.list().caption(id), this.source];
    if (caption && element && speakers) askWho(this.card, element, caption, speakers, (...change) => this.change(...change));
  }

  /** @param {number} id */
  showVersions(id) {
    const [caption, element, stream] = [this.source.find(id), this.list().caption(id), this.source.stream()];
    const account = { stream: stream ?? "", version: this.source.version?.() ?? "" };
    if (caption && element && stream) void showVersions(this.card, element, caption, account, (...change) => this.change(...change));
  }

  /** @param {number} id */
  async setHidden(id) {
    const caption = this.source.find(id);
    if (!caption?.final) return;
    const hidden = !caption.hidden;
    if (!(await this.change(caption, { hidden }, hidden ? "The caption was not hidden." : "The caption stays hidden."))) return;
    this.point(0);
    if (hidden) toast("Hidden for everybody.", { label: "Undo", act: () => void this.setHidden(id) });
  }

  /** The last correction of this account, whoever made it. */
  async undo() {
    const stream = this.source.stream();
    if (!stream) return;
    try {
      const now = await undoEdit(stream, this.source.version?.() ?? "");
      this.source.put(now);
      toast(`Undone: “${now.text.slice(0, 60)}${now.text.length > 60 ? "…" : ""}”`);
    } catch (error) {
      toast(`Nothing was undone. ${words(error)}`);
    }
  }

  /**
   * At once on the page, then told to the server.
   * @param {Caption} caption
   * @param {{ text?: string, speakers?: string[], hidden?: boolean }} change
   * @param {string} failed
   */
  async change(caption, change, failed) {
    const stream = this.source.stream();
    if (!stream) return false;
    this.source.put({ ...caption, ...change, edited: caption.edited || change.text !== undefined || change.speakers !== undefined });
    try {
      const now = await changeCaption(stream, caption.id, change, this.source.version?.() ?? "");
      if (now?.id === caption.id) this.source.put(now);
      return true;
    } catch (error) {
      const now = this.source.find(caption.id);
      if (now && now.rev === caption.rev) this.source.put({ ...caption });
      toast(`${failed} ${words(error)}`);
      return false;
    }
  }
}
