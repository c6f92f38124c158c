/** Friends in the rail: whoever is live first, each with a sign of whether they are here. */

import { h, icon, say } from "../dom.js";
import { face, pageOf, presenceWords, ringOf } from "./faces.js";
import { redraw } from "./focus.js";
import { friends } from "./friends.js";

const MOST = 12;

/** @param {import("../types.js").Person} person */
function entry(person) {
  const live = person.presence === "live" && person.live;
  const href = live ? `/listen/${encodeURIComponent(live.slug)}` : pageOf(person);
  const words = presenceWords(person);
  return h(
    "a",
    { class: "fr", href, title: words, "aria-label": words ? `${person.display_name}. ${words}` : person.display_name, data: { testid: "rail-friend", person: person.name } },
    face(person, ringOf(person), 40),
    h("span", { dir: "auto" }, person.display_name),
  );
}

/** @param {string} [look] class of the list: in the rail, or across a phone */
export function railFriends(look = "friends") {
  const list = h("div", { class: look, role: "group", "aria-label": "Friends" });
  const add = h("a", { class: "fr", href: "/friends", data: { testid: "rail-invite" } }, h("span", { class: "av add", vars: { "--sz": "40px" } }, icon("plus", 20)), h("span", null, "Find friends"));
  const more = h("a", { class: "fr", href: "/friends" }, h("span", null, ""));
  let shown = "";
  return {
    element: list,
    show() {
      const people = friends.list;
      const key = JSON.stringify(people.slice(0, MOST).map(({ id, display_name, avatar, presence, live }) => [id, display_name, avatar, presence, live?.slug]));
      if (key + people.length === shown || !friends.loaded) return;
      shown = key + people.length;
      say(more, `${people.length - MOST} more`);
      const rest = people.length > MOST ? [more] : people.length === 0 ? [add] : [];
      redraw(list, () => list.replaceChildren(...people.slice(0, MOST).map(entry), ...rest));
    },
  };
}
