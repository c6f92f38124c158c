/** The rail of a wide window and the bar of a phone: the same three places. On air, the studio shows the time. */

import { byId, h, icon, logo, say } from "./dom.js";
import { clock } from "./format.js";
import { store } from "./store.js";
import { publisher } from "./studio/publisher.js";

/** @typedef {{ path: string, name: string, icon: string, owns: RegExp }} Place */

/** @type {Place} */
const STUDIO = { path: "/", name: "Studio", icon: "mic", owns: /^\/$/ };
/** @type {Place} */
const LIVE = { path: "/live", name: "Live now", icon: "live", owns: /^\/(live|listen)(\/|$)/ };
/** @type {Place} */
const RECORDINGS = { path: "/recordings", name: "Recordings", icon: "list", owns: /^\/recordings(\/|$)/ };

/** @param {Place} place */
function item(place) {
  const label = h("span", null, place.name);
  const picture = place === STUDIO ? h("i", null, icon(place.icon)) : icon(place.icon);
  const name = place.name.toLowerCase().replace(" ", "-");
  const link = h("a", { class: `ri${place === STUDIO ? " go" : ""}`, href: place.path, data: { testid: `nav-${name}` } }, picture, label);
  return { place, link, label };
}

export function startNavigation() {
  const rail = [STUDIO, LIVE, RECORDINGS].map(item);
  const bar = [LIVE, STUDIO, RECORDINGS].map(item);
  byId("rail").append(logo(), ...rail.map(({ link }) => link));
  byId("bar").append(...bar.map(({ link }) => link));
  const items = [...rail, ...bar];

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

  /** @param {string} path */
  return (path) => {
    for (const { place, link } of items) {
      const here = place.owns.test(path);
      link.classList.toggle("on", here);
      if (here) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
  };
}
