/** Where the page begins. */

import { getMe, onSignedOut, words } from "./api.js";
import { byId, h } from "./dom.js";
import { startNavigation } from "./nav.js";
import { enter, instead, openAddress, signInPath } from "./people/door.js";
import { friends } from "./people/friends.js";
import { notices } from "./people/notices.js";
import { heedRemoval } from "./people/removal.js";
import { startDock } from "./player/dock.js";
import { startMediaSession } from "./player/mediasession.js";
import { player } from "./player/player.js";
import { again, Router, start } from "./router.js";
import { store } from "./store.js";
import { publisher } from "./studio/publisher.js";
import { toast } from "./toast.js";

/** The page that was asked for comes first. */
const SETTLED_MS = 2000;
const OVERLAY = /^\/listen\/([^/]+)\/overlay\/?$/;
/** Views are fetched when somebody goes there, and the rest while nothing else is to be done. */
const views = {
  admin: () => import("./views/admin.js"),
  bin: () => import("./views/bin.js"),
  collections: () => import("./views/collections.js"),
  door: () => import("./views/door.js"),
  friends: () => import("./views/friends.js"),
  listen: () => import("./views/listen.js"),
  live: () => import("./views/live.js"),
  missing: () => import("./views/missing.js"),
  notices: () => import("./views/notices.js"),
  overlay: () => import("./views/overlay.js"),
  person: () => import("./views/person.js"),
  recording: () => import("./views/recording.js"),
  recordings: () => import("./views/recordings.js"),
  settings: () => import("./views/settings.js"),
  studio: () => import("./views/studio.js"),
  uploads: () => import("./views/uploads.js"),
  voices: () => import("./views/voices.js"),
};
/** @type {import("./router.js").Route[]} */
const ROUTES = [
  { pattern: /^\/$/, view: async () => (await views.studio()).studioView() },
  { pattern: /^\/live\/?$/, view: async () => (await views.live()).liveView() },
  { pattern: OVERLAY, view: async (slug) => (await views.overlay()).overlayView(slug) },
  { pattern: /^\/listen\/([^/]+)\/?$/, view: async (slug) => (await views.listen()).listenView(slug) },
  { pattern: /^\/recordings\/?$/, view: async () => (await views.recordings()).recordingsView() },
  { pattern: /^\/recordings\/([^/]+)\/?$/, view: async (id) => (await views.recording()).recordingView(id) },
  { pattern: /^\/collections\/?$/, view: async () => (await views.collections()).collectionsView() },
  { pattern: /^\/collections\/([^/]+)\/?$/, view: async (id) => (await views.collections()).collectionView(id) },
  { pattern: /^\/bin\/?$/, view: async () => (await views.bin()).binView() },
  { pattern: /^\/uploads\/?$/, view: async () => (await views.uploads()).uploadsView() },
  { pattern: /^\/voices\/?$/, view: async () => (await views.voices()).voicesView() },
];
/** Where there are accounts. @type {import("./router.js").Route[]} */
const SOCIAL = [
  { pattern: /^\/sign-in\/?$/, view: async () => (await views.door()).signInView() },
  { pattern: /^\/register\/?$/, view: async () => (await views.door()).registerView() },
  { pattern: /^\/first\/?$/, view: async () => (await views.door()).firstView() },
  { pattern: /^\/friends\/?$/, view: async () => (await views.friends()).friendsView() },
  { pattern: /^\/people\/([^/]+)\/?$/, view: async (id) => (await views.person()).personView(id) },
  { pattern: /^\/notices\/?$/, view: async () => (await views.notices()).noticesView() },
  { pattern: /^\/admin(?:\/([^/]+))?\/?$/, view: async (section) => (await views.admin()).adminView(section) },
  { pattern: /^\/settings(?:\/([^/]+))?\/?$/, view: async (section) => (await views.settings()).settingsView(section) },
];
/** @type {import("./router.js").Route} */
const REST = { pattern: /^/, view: async () => (await views.missing()).missingView() };

/** The other views, so that one gets to them while the server is away, too. */
function fetchRest() {
  const idle = window.requestIdleCallback ?? ((/** @type {() => void} */ act) => setTimeout(act, 1000));
  const waiting = Object.values(views);
  const next = () => {
    const fetchNext = waiting.shift();
    // A view that cannot be had now is asked for again by whoever goes there.
    if (fetchNext) void fetchNext().catch(() => undefined).then(() => idle(next));
  };
  idle(next);
}

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
  const navigation = startNavigation();
  const moved = (/** @type {string} */ path) => {
    navigation.moved(path);
    player.changed();
  };
  startDock();
  startMediaSession();
  await load();
  if (store.auth.accounts) await openAddress();
  navigation.known();
  store.follow();
  if (store.social) {
    friends.follow();
    notices.follow();
    onSignedOut(leaveHere);
    store.events.shut = () => void getMe().catch(() => undefined);
  }
  if (store.auth.accounts) {
    heedRemoval();
    window.addEventListener("hashchange", () => void openAddress().then(again));
  }
  const routes = store.auth.accounts ? [...ROUTES, ...SOCIAL, REST] : [...ROUTES, REST];
  start(new Router(byId("content"), routes, moved, instead));
  window.addEventListener("load", () => setTimeout(fetchRest, SETTLED_MS));
  if (document.readyState === "complete") setTimeout(fetchRest, SETTLED_MS);
}

/** The session is over: it ran out, or was ended elsewhere. Who is on air is not thrown off the page. */
function leaveHere() {
  const go = () => enter(signInPath(location.pathname));
  if (publisher.onAir) toast("You have been signed out.", { label: "Sign in again", act: go }, 60_000);
  else go();
}

void main();
