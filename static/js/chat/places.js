/** Where a chat is: beside a stream that one hears, in the studio, beside a recording. */

import { words } from "../api.js";
import { h, icon, say } from "../dom.js";
import { clock, exact } from "../format.js";
import { toggle } from "../parts.js";
import { store } from "../store.js";
import { toast } from "../toast.js";
import { getChat, switchChat } from "./api.js";
import { ChatModel } from "./model.js";
import { ChatPanel } from "./panel.js";

/** @typedef {import("../types.js").Stream} Stream */
/** @typedef {import("../types.js").ChatMessage} ChatMessage */

const RATE = 48_000;
/** Pages of a hundred messages that are shown beside a recording. */
const MOST_PAGES = 10;

/** @param {Stream | null} stream */
function running(stream) {
  return Boolean(store.config?.chat && stream && stream.state !== "ended");
}

/** A drawer beside the listen page, and the button that opens it. */
export function chatDrawer() {
  const model = new ChatModel(store.events);
  let owns = false;
  const panel = new ChatPanel(model, () => ({ me: store.me?.id ?? "", mayWrite: Boolean(store.me?.id), owns }));
  const unread = h("b", { class: "chat-unread", data: { testid: "chat-unread" } });
  const button = h("button", { type: "button", class: "btn p-icon chat-open", "aria-expanded": "false", hidden: true, data: { testid: "chat-open" } }, icon("chat", 20), h("span", null, "Chat"), unread);
  const close = h("button", { type: "button", class: "btn quiet icon", "aria-label": "Close the chat", data: { testid: "chat-close" } }, icon("close", 20));
  const element = h("aside", { class: "chat-drawer", hidden: true, "aria-label": "Chat", data: { testid: "chat" } }, h("header", null, h("h2", null, "Chat"), close), panel.element);
  const set = (/** @type {boolean} */ open) => {
    element.hidden = !open;
    document.body.classList.toggle("chatting", open);
    button.setAttribute("aria-expanded", String(open));
    model.read();
    if (open) panel.follow.toEnd();
    else button.focus();
  };
  button.addEventListener("click", () => set(element.hidden === true));
  close.addEventListener("click", () => set(false));
  element.addEventListener("keydown", (event) => event.key === "Escape" && set(false));
  const unwatch = model.watch(() => {
    if (!element.hidden && model.unread) queueMicrotask(() => model.read());
    say(unread, element.hidden && model.unread ? String(Math.min(99, model.unread)) : "");
  });
  return {
    button,
    element,
    /** @param {Stream | null} stream */
    show(stream) {
      const on = running(stream);
      owns = stream !== null && store.owns(stream);
      button.hidden = !on;
      if (on && stream) model.follow(stream.id);
      else if (!model.stream && !element.hidden) set(false);
    },
    stop() {
      document.body.classList.remove("chatting");
      unwatch();
      panel.stop();
      model.stop();
    },
  };
}

/** @param {import("../studio/publisher.js").Publisher} publisher */
export function studioChat(publisher) {
  const model = new ChatModel(store.events);
  const panel = new ChatPanel(model, () => ({ me: store.me?.id ?? "", mayWrite: true, owns: true }));
  const control = toggle("chat-switch", "chat-switch-name", (open) => {
    if (model.stream) switchChat(model.stream, open).catch((error) => toast(words(error)));
  });
  const head = h("header", { class: "cap-head" }, h("h2", null, "Chat"), h("span", { class: "grow" }), h("div", { class: "record-switch" }, h("span", { id: "chat-switch-name" }, "People may write"), control.element));
  const element = h("section", { class: "st-chat", hidden: true, "aria-label": "Chat of your stream" }, head, panel.element);
  return {
    element,
    show() {
      const { stream } = publisher;
      const on = publisher.onAir && running(stream);
      model.follow(on && stream ? stream.id : null);
      element.hidden = !on;
      control.set(model.open, publisher.onAir);
    },
    stop() {
      panel.stop();
      model.stop();
    },
  };
}

/** @param {ChatMessage} message @param {(seconds: number) => void} seek */
function past(message, seek) {
  const seconds = message.at / RATE;
  const time = h("button", { type: "button", class: "txt tn", title: exact(message.created_at), on: { click: () => seek(seconds) } }, clock(seconds));
  return h("li", { class: "chat-past" }, time, h("b", { dir: "auto" }, message.name), h("span", { dir: "auto" }, message.text));
}

/**
 * What was written beside a stream; press a time to hear what it was about.
 * @param {string} stream its id
 * @param {(seconds: number) => void} seek
 */
export function recordedChat(stream, seek) {
  const list = h("ol", { class: "chat-kept" });
  const element = h("section", { class: "rc-chat", hidden: true, "aria-label": "Chat", data: { testid: "recorded-chat" } }, h("h2", null, "Chat"), list);
  async function load() {
    let cursor = null;
    for (let page = 0; page < MOST_PAGES; page += 1) {
      const { items, next } = await getChat(stream, cursor);
      list.append(...items.map((message) => past(message, seek)));
      element.hidden = list.childElementCount === 0;
      if (!next) return;
      cursor = next;
    }
  }
  if (store.config?.chat) load().catch(() => element.remove());
  return element;
}
