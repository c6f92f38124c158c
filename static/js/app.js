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
import { adminView } from "./views/admin.js";
import { firstView, registerView, signInView } from "./views/door.js";
import { friendsView } from "./views/friends.js";
import { listenView } from "./views/listen.js";
import { liveView } from "./views/live.js";
import { missingView } from "./views/missing.js";
import { noticesView } from "./views/notices.js";
import { overlayView } from "./views/overlay.js";
import { personView } from "./views/person.js";
import { recordingView } from "./views/recording.js";
import { recordingsView } from "./views/recordings.js";
import { settingsView } from "./views/settings.js";
import { studioView } from "./views/studio.js";
import { publisher } from "./studio/publisher.js";
import { toast } from "./toast.js";
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
];
/** Where there are accounts. */
const SOCIAL = [
  { pattern: /^\/sign-in\/?$/, view: () => signInView() },
  { pattern: /^\/register\/?$/, view: () => registerView() },
  { pattern: /^\/first\/?$/, view: () => firstView() },
  { pattern: /^\/friends\/?$/, view: () => friendsView() },
  { pattern: /^\/people\/([^/]+)\/?$/, view: personView },
  { pattern: /^\/notices\/?$/, view: () => noticesView() },
  { pattern: /^\/admin(?:\/([^/]+))?\/?$/, view: adminView },
  { pattern: /^\/settings(?:\/([^/]+))?\/?$/, view: settingsView },
];
const REST = { pattern: /^/, view: () => missingView() };

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
}

/** The session is over: it ran out, or was ended elsewhere. Who is on air is not thrown off the page. */
function leaveHere() {
  const go = () => enter(signInPath(location.pathname));
  if (publisher.onAir) toast("You have been signed out.", { label: "Sign in again", act: go }, 60_000);
  else go();
}

void main();
