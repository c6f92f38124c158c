/**
 * What lets a talker go on with a stream: its resume token. It lasts as long as the tab, so that a tab that was loaded
 * anew can go on, and no other can.
 */

/** @typedef {{ token: string, stream: string, channel: string, muted: boolean }} Pass */

const KEY = "clearcast.pass";

/** @returns {Pass | null} */
export function recallPass() {
  try {
    const found = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
    return found && typeof found.token === "string" && typeof found.stream === "string" ? found : null;
  } catch {
    return null;
  }
}

/** @param {Pass | null} pass */
export function rememberPass(pass) {
  try {
    if (pass) sessionStorage.setItem(KEY, JSON.stringify(pass));
    else sessionStorage.removeItem(KEY);
  } catch {
    // Storage may be forbidden: then the stream goes on through lost connections, but not through a reload.
  }
}
