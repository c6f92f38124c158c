/** What plays, on the lock screen and on the keys of headphones. */

import { player } from "./player.js";
import { store } from "../store.js";

/** @returns {{ title: string, artist: string, album: string } | null} */
function describe() {
  const { source } = player;
  if (!source) return null;
  if (source.kind === "recording") {
    const { title, host, channel } = source.recording;
    return { title, artist: host, album: channel.name };
  }
  const stream = store.ofChannel(source.channel.slug);
  const running = stream && stream.state !== "ended" ? stream : null;
  return { title: running?.title ?? source.channel.name, artist: running?.host ?? source.channel.host, album: "Live on Clearcast" };
}

export function startMediaSession() {
  const session = navigator.mediaSession;
  if (!session) return;
  let shown = "";
  player.watch(() => {
    const words = player.wanted || player.position > 0 ? describe() : null;
    const key = JSON.stringify(words);
    if (key !== shown) {
      shown = key;
      session.metadata = words ? new MediaMetadata({ ...words, artwork: [{ src: "/static/favicon.svg", type: "image/svg+xml" }] }) : null;
      setActions(session, player.source?.kind === "recording");
    }
    session.playbackState = player.source ? (player.wanted ? "playing" : "paused") : "none";
    setPosition(session);
  });
}

/** @param {MediaSession} session @param {boolean} seekable */
function setActions(session, seekable) {
  /** @type {Partial<Record<MediaSessionAction, MediaSessionActionHandler>>} */
  const common = { play: () => void player.toggle(), pause: () => player.pause(), stop: () => player.pause() };
  /** @type {Partial<Record<MediaSessionAction, MediaSessionActionHandler>>} */
  const moves = {
    seekbackward: ({ seekOffset }) => player.seek(player.position - (seekOffset ?? 10)),
    seekforward: ({ seekOffset }) => player.seek(player.position + (seekOffset ?? 30)),
    seekto: ({ seekTime }) => player.seek(seekTime ?? 0),
  };
  for (const [action, handler] of Object.entries(common)) set(session, action, handler);
  for (const [action, handler] of Object.entries(moves)) set(session, action, seekable ? handler : null);
}

/** @param {MediaSession} session @param {string} action @param {MediaSessionActionHandler | null} handler */
function set(session, action, handler) {
  try {
    session.setActionHandler(/** @type {MediaSessionAction} */ (action), handler);
  } catch {
    // Browsers differ in the actions they know.
  }
}

/** @param {MediaSession} session */
function setPosition(session) {
  if (player.source?.kind !== "recording" || !session.setPositionState) return;
  const { duration, position, speed } = player;
  if (duration > 0 && position <= duration) session.setPositionState({ duration, position, playbackRate: speed });
}
