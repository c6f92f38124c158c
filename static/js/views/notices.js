/** What has happened: requests, friends who went live. */

import { h, icon, say } from "../dom.js";
import { exact, relative } from "../format.js";
import { empty } from "../parts.js";
import { face } from "../people/faces.js";
import { notices, noticeWords } from "../people/notices.js";

/** @param {import("../types.js").Notice} notice */
function row(notice) {
  const { text, path, person } = noticeWords(notice);
  const when = h("time", { class: "sub", dateTime: notice.created_at, title: exact(notice.created_at) }, relative(notice.created_at));
  const what = h("b", null, h("a", { href: path, dir: "auto" }, text));
  return h("li", { class: notice.read_at ? "person" : "person fresh", data: { testid: "notice" } }, face({ display_name: person.display_name ?? "?", avatar: person.avatar ?? null }, "", 44), h("div", { class: "txts" }, what, when));
}

/** @returns {import("../types.js").View} */
export function noticesView() {
  const status = h("p", { class: "sub", role: "status" });
  const place = h("div");
  const element = h("div", { class: "col people" }, h("header", { class: "hm-head" }, h("h1", null, "News"), status), place);
  const show = () => {
    if (!notices.loaded) return say(status, "Loading the list…");
    say(status, "");
    const none = empty("Nothing has happened yet", "Requests of people who would like to be your friends appear here, and friends who go live. Being told while this page is closed is a choice in the settings.", h("a", { class: "btn first", href: "/friends" }, icon("people", 20), "Find friends"), h("a", { class: "btn", href: "/settings/notices" }, icon("sliders", 20), "Choose what you are told"));
    place.replaceChildren(notices.items.length > 0 ? h("ul", { class: "list tight" }, notices.items.map(row)) : none);
    return undefined;
  };
  const unwatch = notices.watch(show);
  // Seen as soon as it was shown; the marks stay until one comes again.
  const timer = setTimeout(() => void notices.read(), 1500);
  return {
    element,
    title: "News",
    leave() {
      unwatch();
      clearTimeout(timer);
      void notices.read();
    },
  };
}
