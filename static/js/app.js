/** Where the page begins. */

import { words } from "./api.js";
import { byId, h } from "./dom.js";
import { startNavigation } from "./nav.js";
import { startDock } from "./player/dock.js";
import { startMediaSession } from "./player/mediasession.js";
import { player } from "./player/player.js";
import { Router } from "./router.js";
import { store } from "./store.js";
import { listenView } from "./views/listen.js";
import { liveView } from "./views/live.js";
import { missingView } from "./views/missing.js";
import { overlayView } from "./views/overlay.js";
import { recordingView } from "./views/recording.js";
import { recordingsView } from "./views/recordings.js";
import { studioView } from "./views/studio.js";
import { voicesView } from "./views/voices.js";

const OVERLAY = /^\/listen\/([^/]+)\/overlay\/?$/;
const ROUTES = [
  { pattern: /^\/$/, view: () => studioView() },
  { pattern: /^\/live\/?$/, view: () => liveView() },
  { pattern: OVERLAY, view: overlayView },
  { pattern: /^\/listen\/([^/]+)\/?$/, view: listenView },
  { pattern: /^\/recordings\/?$/, view: () => recordingsView() },
  { pattern: /^\/recordings\/([^/]+)\/?$/, view: recordingView },
  { pattern: /^\/voices\/?$/, view: () => voicesView() },
  { pattern: /^/, view: () => missingView() },
];

/** Ask until the server answers; meanwhile say what is going on. */
async function load() {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await store.load();
    } catch (error) {
      const lead = h("p", { class: "lead", role: "status" }, words(error));
      byId("content").replaceChildren(h("div", { class: "col" }, h("h1", null, "Clearcast is not there"), lead));
      await new Promise((resolve) => setTimeout(resolve, Math.min(8000, 1000 * attempt)));
    }
  }
}

async function main() {
  // Before anything is drawn: what lies over a video must never show the page's ground.
  if (OVERLAY.test(location.pathname)) document.documentElement.classList.add("overlay");
  const mark = startNavigation();
  const moved = (/** @type {string} */ path) => {
    mark(path);
    player.changed();
  };
  startDock();
  startMediaSession();
  await load();
  store.follow();
  new Router(byId("content"), ROUTES, moved).start();
}

void main();
