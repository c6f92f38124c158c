/** A chat to read and to write in. */

import { words } from "../api.js";
import { Follow } from "../captions/follow.js";
import { h, icon, say } from "../dom.js";
import { exact } from "../format.js";
import { avatar } from "../parts.js";
import { toast } from "../toast.js";
import { removeMessage, writeChat } from "./api.js";

/** @typedef {import("../types.js").ChatMessage} ChatMessage */
/** @typedef {import("./model.js").ChatModel} ChatModel */
/** @typedef {{ me: string, mayWrite: boolean, owns: boolean }} Standing who reads: id, and what they may do */

export const REACTIONS = ["👏", "👍", "❤️", "😂", "🎉", "❓"];
const NAMES = ["Applause", "Thumbs up", "Heart", "Laughter", "Celebration", "Question"];
const LONGEST = 500;

/** @param {ChatMessage} message @param {() => void} remove */
function line(message, remove) {
  const del = h("button", { type: "button", class: "txt chat-del", "aria-label": `Take away what ${message.name} wrote`, data: { testid: "chat-remove" }, on: { click: remove } }, icon("trash", 16));
  const name = h("b", { dir: "auto" }, message.name);
  const text = h("p", { dir: "auto" }, message.text);
  const time = h("time", { dateTime: message.created_at, title: exact(message.created_at) }, new Date(message.created_at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
  const element = h("li", { class: "cap chat-line", data: { testid: "chat-message" } }, avatar(message.name, "", 28), h("div", { class: "txts" }, h("div", { class: "chat-who" }, name, time, del), text));
  return { element, del };
}

/** @param {(said: { text: string } | { reaction: string }) => Promise<unknown>} send */
function composer(send) {
  const field = h("input", { type: "text", class: "field", maxLength: LONGEST, placeholder: "Write to everybody here", "aria-label": "Message", autocomplete: "off", data: { testid: "chat-field" } });
  const submit = h("button", { type: "submit", class: "btn", data: { testid: "chat-send" } }, "Send");
  const form = h("form", { class: "chat-write" }, field, submit);
  const buttons = REACTIONS.map((text, at) =>
    h("button", { type: "button", class: "chat-react", "aria-label": NAMES[at] ?? text, data: { testid: "chat-react" }, on: { click: () => void send({ reaction: text }).catch((error) => toast(words(error))) } }, text),
  );
  const row = h("div", { class: "chat-reacts", role: "group", "aria-label": "React" }, buttons);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = field.value.trim();
    if (!text) return;
    field.value = "";
    try {
      await send({ text });
    } catch (error) {
      // What was written is not lost, unless something else is being written by now.
      if (!field.value) field.value = text;
      toast(words(error));
    }
  });
  return { elements: [row, form], field };
}

export class ChatPanel {
  /**
   * @param {ChatModel} model
   * @param {() => Standing} standing
   */
  constructor(model, standing) {
    this.model = model;
    this.standing = standing;
    this.list = h("ol", { class: "chat-list", role: "log", "aria-label": "Chat", tabIndex: 0, data: { testid: "chat-list" } });
    this.none = h("p", { class: "sub", data: { testid: "chat-none" } });
    this.seen = h("p", { class: "chat-seen", "aria-hidden": "true", data: { testid: "chat-reactions" } });
    this.why = h("p", { class: "sub", data: { testid: "chat-why" } });
    this.write = composer((said) => (model.stream ? writeChat(model.stream, said) : Promise.resolve()));
    this.element = h("div", { class: "chat" }, this.none, this.list, this.seen, this.why, ...this.write.elements);
    this.follow = new Follow(this.list);
    /** @type {Map<string, { element: HTMLElement, del: HTMLElement }>} */
    this.lines = new Map();
    this.unwatch = model.watch(() => this.show());
  }

  show() {
    const { model, lines } = this;
    const { me, mayWrite, owns } = this.standing();
    this.follow.during(() => {
      for (const [id, { element }] of lines) {
        if (model.messages.has(id)) continue;
        element.remove();
        lines.delete(id);
      }
      for (const [id, message] of model.messages) {
        if (lines.has(id)) continue;
        const made = line(message, () => this.remove(id));
        lines.set(id, made);
        this.list.append(made.element);
      }
    });
    for (const [id, { del }] of lines) del.hidden = !(owns || (me !== "" && model.messages.get(id)?.user === me));
    const may = mayWrite && (model.open || owns);
    for (const element of this.write.elements) element.hidden = !may;
    say(this.none, lines.size === 0 ? "Nobody has written anything yet." : "");
    say(this.why, may ? "" : model.open ? "Sign in to write." : "The chat is closed for now.");
    say(this.seen, [...model.reactions].map(([text, count]) => (count > 1 ? `${text} ${count}` : text)).join("  "));
    this.none.hidden = lines.size > 0;
    this.why.hidden = may;
  }

  /** @param {string} id */
  remove(id) {
    if (this.model.stream) removeMessage(this.model.stream, id).catch((error) => toast(words(error)));
  }

  stop() {
    this.unwatch();
    this.follow.stop();
  }
}
