/** Who may see which page: before one has signed in, the door; afterwards, everything. */

import { store } from "../store.js";
import { openLink } from "./api.js";

/** Pages for whoever has not signed in; they are of no use to others. */
const DOORS = /^\/(sign-in|register|first)\/?$/;
/** What may be open to everybody, or to whoever has a link; the server knows. */
const OPEN = /^\/(listen|recordings)\/[^/]+/;

/** @returns {boolean} whether this is a server with accounts at which one has not signed in */
export function outside() {
  return store.auth.accounts && store.me === null;
}

/**
 * @param {string} path of a page
 * @returns {string} the address to go to instead; empty: stay
 */
export function instead(path) {
  if (!outside()) return DOORS.test(path) ? "/" : "";
  if (store.auth.first) return path.startsWith("/first") ? "" : "/first";
  if (DOORS.test(path) || OPEN.test(path)) return "";
  return path === "/" ? "/sign-in" : signInPath(path);
}

/** @param {string} path where one wanted to go */
export function signInPath(path) {
  return `/sign-in?next=${encodeURIComponent(path)}`;
}

/**
 * Where to go once one has signed in: an address of this page, whatever else the query says.
 * @param {string} otherwise
 */
export function nextPath(otherwise) {
  const wanted = new URLSearchParams(location.search).get("next") ?? "";
  try {
    const url = new URL(wanted, location.origin);
    const ours = wanted.startsWith("/") && url.origin === location.origin && !DOORS.test(url.pathname);
    return ours ? url.pathname + url.search : otherwise;
  } catch {
    return otherwise;
  }
}

/** Keep the link that an address carries, so that what it opens can be heard. It opens what it can, or nothing. */
export async function openAddress() {
  const key = new URLSearchParams(location.hash.slice(1)).get("link");
  if (!key) return;
  // Whoever looks at the screen, or copies the address, need not see it.
  history.replaceState(null, "", location.pathname + location.search);
  await openLink(key).catch(() => undefined);
}

/** Begin anew as somebody else: nothing of the one before stays in memory. @param {string} path */
export function enter(path) {
  location.assign(path);
}
