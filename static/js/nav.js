/** The rail of a wide window and the bar of a phone. On air, the studio shows the time. */

import { byId, h, icon, logo, say } from "./dom.js";
import { clock } from "./format.js";
import { outside, signInPath } from "./people/door.js";
import { friends } from "./people/friends.js";
import { notices } from "./people/notices.js";
import { ownMenu } from "./people/ownmenu.js";
import { railFriends } from "./people/rail.js";
import { store } from "./store.js";
import { publisher } from "./studio/publisher.js";

/** @typedef {{ path: string, name: string, icon: string, owns: RegExp }} Place */

/** @type {Place} */
const STUDIO = { path: "/", name: "Studio", icon: "mic", owns: /^\/$/ };
/** @type {Place} */
const LIVE = { path: "/live", name: "Live now", icon: "live", owns: /^\/(live|listen)(\/|$)/ };
/** @type {Place} */
const RECORDINGS = { path: "/recordings", name: "Recordings", icon: "list", owns: /^\/(recordings|collections|bin|voices)(\/|$)/ };
/** @type {Place} */
const UPLOADS = { path: "/uploads", name: "Uploads", icon: "upload", owns: /^\/uploads(\/|$)/ };
/** @type {Place} */
const FRIENDS = { path: "/friends", name: "Friends", icon: "people", owns: /^\/(friends|people)(\/|$)/ };
/** @type {Place} */
const NOTICES = { path: "/notices", name: "News", icon: "bell", owns: /^\/notices(\/|$)/ };
/** @type {Place} */
const SETTINGS = { path: "/settings", name: "Settings", icon: "sliders", owns: /^\/settings(\/|$)/ };

/** @param {Place} place */
function item(place) {
  const label = h("span", null, place.name);
  const picture = place === STUDIO ? h("i", null, icon(place.icon)) : icon(place.icon);
  const name = place.name.toLowerCase().replace(" ", "-");
  const link = h("a", { class: `ri${place === STUDIO ? " go" : ""}`, href: place.path, data: { testid: `nav-${name}` } }, picture, label);
  return { place, link, label };
}

/** @param {HTMLElement} link @param {string} name @param {number} count @param {string} what */
function badge(link, name, count, what) {
  link.classList.toggle("news", count > 0);
  if (count > 0) link.setAttribute("aria-label", `${name}, ${count} ${what}`);
  else link.removeAttribute("aria-label");
}

/** For whoever is outside: where they are, and the way in. */
function gate() {
  const enterLink = h("a", { class: "btn", href: "/sign-in", data: { testid: "gate-sign-in" } }, "Sign in");
  enterLink.addEventListener("click", () => (enterLink.href = signInPath(location.pathname)));
  return { element: h("header", { class: "gate" }, logo(), enterLink), enterLink };
}

function social() {
  const list = railFriends();
  const [rule, space] = [h("hr"), h("div", { class: "sp" })];
  const [news, settings, own] = [item(NOTICES), item(SETTINGS), ownMenu()];
  const [railFriendsItem, barFriends, barSettings] = [item(FRIENDS), item(FRIENDS), item(SETTINGS)];
  byId("rail").append(railFriendsItem.link, rule, list.element, space, news.link, settings.link, ...(own ? [own] : []));
  const [live, studio, recordings] = [...byId("bar").children];
  byId("bar").replaceChildren(...[live, recordings, studio, barFriends.link, barSettings.link].filter((one) => one !== undefined));
  byId("bar").classList.add("five");
  friends.watch(() => {
    list.show();
    badge(railFriendsItem.link, "Friends", friends.received.length, "waiting for an answer");
  });
  const count = () => {
    badge(news.link, "News", notices.unread, "new");
    badge(barFriends.link, "Friends", notices.unread + friends.received.length, "new");
  };
  friends.watch(count);
  notices.watch(count);
  return [railFriendsItem, barFriends, barSettings, news, settings];
}

export function startNavigation() {
  const rail = [STUDIO, LIVE, RECORDINGS, UPLOADS].map(item);
  const bar = [LIVE, STUDIO, RECORDINGS].map(item);
  byId("rail").append(logo(), ...rail.map(({ link }) => link));
  byId("bar").append(...bar.map(({ link }) => link));
  const items = [...rail, ...bar];
  const door = gate();
  let path = location.pathname;
  let known = false;

  const tick = () => {
    const live = publisher.onAir || publisher.state === "stopping";
    const time = publisher.streamId ? clock(store.position(publisher.streamId)) : STUDIO.name;
    for (const { place, link, label } of items) {
      if (place !== STUDIO) continue;
      link.classList.toggle("air", live);
      link.classList.toggle("away", publisher.state === "reconnecting");
      say(label, live && publisher.streamId ? time : STUDIO.name);
      link.setAttribute("aria-label", live ? "Studio, you are live" : "Studio");
    }
  };
  publisher.watch(tick);
  setInterval(tick, 500);

  const mark = () => {
    for (const { place, link } of items) {
      const here = place.owns.test(path);
      link.classList.toggle("on", here);
      if (here) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    door.enterLink.hidden = !/^\/(listen|recordings)\//.test(path);
  };
  return {
    /** Once it is known who one is. */
    known() {
      if (known) return;
      known = true;
      document.documentElement.classList.toggle("outside", outside());
      if (outside()) document.body.prepend(door.element);
      else if (store.social) items.push(...social());
      mark();
    },
    /** @param {string} now where one is */
    moved(now) {
      path = now;
      mark();
    },
  };
}
