/** Being told while the page is closed (Push API): a service worker is registered only when somebody switches this on. */

import { ApiError, words } from "../api.js";
import { addPush, getPush, removePush } from "./api.js";

/** @typedef {{ on: boolean, able: boolean, words: string }} PushState */

const USUAL = "Off. This browser asks you first.";
const ON = "On in this browser.";

/** @returns {string} why this browser cannot; empty where it can */
function unable() {
  if (!window.isSecureContext) return "Browsers allow this only over HTTPS.";
  if (!("serviceWorker" in navigator) || !("PushManager" in window)) return "This browser cannot do that. On an iPhone, put the page on the Home Screen first.";
  if (Notification.permission === "denied") return "Your browser does not let this page notify you. Click the lock in the address bar and allow it.";
  return "";
}

async function subscription() {
  const registration = await navigator.serviceWorker.getRegistration("/");
  return registration ? registration.pushManager.getSubscription() : null;
}

/** @returns {Promise<PushState>} */
export async function pushState() {
  const why = unable();
  if (why) return { on: false, able: false, words: why };
  try {
    const server = await getPush();
    if (!server.public_key) return { on: false, able: false, words: "Off on this server. The operator can switch it on in the settings." };
    const on = (await subscription()) !== null;
    return { on, able: true, words: on ? ON : USUAL };
  } catch (error) {
    return { on: false, able: false, words: words(error) };
  }
}

/** @returns {Promise<PushState>} */
export async function startPush() {
  try {
    const { public_key: key } = await getPush();
    await navigator.serviceWorker.register("/sw.js", { scope: "/" });
    const { pushManager } = await navigator.serviceWorker.ready;
    const made = await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
    await addPush(made.toJSON());
    return { on: true, able: true, words: ON };
  } catch (error) {
    return { on: false, able: true, words: unable() || (error instanceof ApiError ? error.message : "The browser did not allow it, or its maker’s service cannot be reached.") };
  }
}

/** @returns {Promise<PushState>} */
export async function stopPush() {
  try {
    const made = await subscription();
    if (made) await removePush(made.endpoint);
    await made?.unsubscribe();
    await (await navigator.serviceWorker.getRegistration("/"))?.unregister();
    return { on: false, able: true, words: USUAL };
  } catch (error) {
    return { on: true, able: true, words: words(error) };
  }
}
