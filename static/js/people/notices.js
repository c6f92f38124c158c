/** What one is told: a quiet note when it happens, and a list to come back to. */

import { Emitter } from "../emitter.js";
import { store } from "../store.js";
import { toast } from "../toast.js";
import { go } from "../router.js";
import { readNotices } from "./api.js";

/** @typedef {import("../types.js").Notice} Notice */

const MOST = 100;

class Notices extends Emitter {
  constructor() {
    super();
    /** Newest first. @type {Notice[]} */
    this.items = [];
    this.unread = 0;
    this.loaded = false;
  }

  follow() {
    store.events.subscribe("notifications", ({ type, data }) => {
      if (type === "snapshot") {
        [this.items, this.unread, this.loaded] = [data.items, data.unread, true];
      } else if (type === "notification") {
        this.items = [data, ...this.items.filter(({ id }) => id !== data.id)].slice(0, MOST);
        this.unread += 1;
        tellOf(data);
      } else if (type === "notifications_read") this.unread = 0;
      this.changed();
    });
  }

  /** Everything that is there has been seen. */
  async read() {
    const newest = this.items[0];
    if (!newest || this.unread === 0) return;
    this.unread = 0;
    this.changed();
    // Where that fails they count as unread on the next visit, which harms nobody.
    await readNotices(newest.id).catch(() => undefined);
  }
}

/** @param {Notice} notice @returns {{ text: string, path: string, action: string, person: any }} */
export function noticeWords({ kind, data }) {
  const person = data.person ?? {};
  const name = person.display_name ?? "Somebody";
  if (kind === "friend_live") {
    const title = data.title ? `: “${data.title}”` : ".";
    return { text: `${name} is live${title}`, path: `/listen/${encodeURIComponent(data.slug ?? "")}`, action: "Listen", person };
  }
  if (kind === "friend_accepted") return { text: `${name} is your friend now.`, path: `/people/${encodeURIComponent(person.id ?? "")}`, action: "See", person };
  return { text: `${name} would like to be your friend.`, path: "/friends", action: "Answer", person };
}

/** @param {Notice} notice */
function tellOf(notice) {
  const { text, path, action } = noticeWords(notice);
  // Whoever is there already sees it happen.
  if (location.pathname === path) return;
  toast(text, { label: action, act: () => go(path) });
}

export const notices = new Notices();
