"""Who is here: online, listening or live. Told what happens and when; knows no clock and tells nobody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

GRACE = 10.0
"""Seconds that somebody counts as here after their last connection: a page that is loaded again does not flicker."""


class Presence(StrEnum):
    """What friends see of somebody."""

    OFFLINE = "offline"
    ONLINE = "online"
    LISTENING = "listening"
    LIVE = "live"


@dataclass(frozen=True, slots=True)
class OnAir:
    """A stream that is live, as much as friends are told of it."""

    stream_id: str
    channel_id: str
    owner: str
    slug: str
    title: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What one person sees of another."""

    presence: Presence
    live: OnAir | None = None


Sees = Callable[[OnAir], bool]
"""Whether somebody may know of a stream."""


class Sight(Protocol):
    """Which streams somebody may know of."""

    async def visible(self, viewer: str, streams: Collection[OnAir]) -> set[str]:
        """Ids of those of some streams; a constant number of queries."""
        ...


class PresenceBook:
    """Everybody's connections and streams. Memory is held only for those who are here, or were just now.

    Times are seconds of any clock that never goes back. What may have changed somebody's presence returns whether, or
    whose, it has.
    """

    def __init__(self) -> None:
        self._connections: Counter[str] = Counter()
        self._leaving: dict[str, float] = {}
        """When those without a connection are gone; the earliest first."""
        self._streams: dict[str, OnAir] = {}
        self._on_channel: dict[str, OnAir] = {}
        self._streams_of: dict[str, dict[str, OnAir]] = {}
        self._listens: dict[str, Counter[str]] = {}
        """Channels, and how often, by who listens to them."""
        self._heard: dict[str, Counter[str]] = {}
        """Who listens, and how often, by channel."""

    def __len__(self) -> int:
        return len(self._connections) + len(self._leaving)

    # ---- connections

    def arrived(self, user_id: str) -> bool:
        """Somebody has one more connection."""
        self._connections[user_id] += 1
        was_here = self._leaving.pop(user_id, None) is not None
        return self._connections[user_id] == 1 and not was_here

    def left(self, user_id: str, now: float) -> None:
        """Somebody has one connection less; without any they are gone in a while."""
        self._connections[user_id] -= 1
        if self._connections[user_id] <= 0:
            del self._connections[user_id]
            self._leaving[user_id] = now + GRACE

    def due(self) -> float | None:
        """When the next of those who left is gone."""
        return next(iter(self._leaving.values()), None)

    def gone(self, now: float) -> list[str]:
        """Those who are not here any more since the last time this was asked."""
        over = []
        for user_id, at in self._leaving.items():
            if at > now:
                break
            over.append(user_id)
        for user_id in over:
            del self._leaving[user_id]
        return over

    def here(self, user_id: str) -> bool:
        return user_id in self._connections or user_id in self._leaving

    # ---- streams and listeners

    def began(self, stream: OnAir) -> list[str]:
        """A stream is live, or is called something else now."""
        before = self._streams.get(stream.stream_id)
        if before == stream:
            return []
        self._streams[stream.stream_id] = self._on_channel[stream.channel_id] = stream
        self._streams_of.setdefault(stream.owner, {})[stream.stream_id] = stream
        return [stream.owner, *(self._heard.get(stream.channel_id, ()) if before is None else ())]

    def ended(self, stream_id: str) -> list[str]:
        """A stream is over."""
        stream = self._streams.pop(stream_id, None)
        if stream is None:
            return []
        theirs = self._streams_of[stream.owner]
        del theirs[stream_id]
        if not theirs:
            del self._streams_of[stream.owner]
        if self._on_channel.get(stream.channel_id) == stream:
            del self._on_channel[stream.channel_id]
        return [stream.owner, *self._heard.get(stream.channel_id, ())]

    def listens(self, user_id: str, channel_id: str) -> bool:
        """Somebody listens to a channel, once more."""
        channels = self._listens.setdefault(user_id, Counter())
        channels[channel_id] += 1
        self._heard.setdefault(channel_id, Counter())[user_id] += 1
        return channels[channel_id] == 1 and channel_id in self._on_channel

    def stops_listening(self, user_id: str, channel_id: str) -> bool:
        """One connection less."""
        last = _less(self._listens, user_id, channel_id)
        _less(self._heard, channel_id, user_id)
        return last and channel_id in self._on_channel

    def streams_of(self, user_id: str) -> list[OnAir]:
        """What somebody is in just now, as who talks or as who listens: what decides how they are seen."""
        heard = (self._on_channel.get(channel_id) for channel_id in self._listens.get(user_id, ()))
        return [*self._streams_of.get(user_id, {}).values(), *(stream for stream in heard if stream is not None)]

    def on_channel(self, channel_id: str) -> OnAir | None:
        return self._on_channel.get(channel_id)

    def stream(self, stream_id: str) -> OnAir | None:
        return self._streams.get(stream_id)

    def involved(self, channel_id: str) -> list[str]:
        """Whose presence hangs on who may see what is on a channel."""
        stream = self._on_channel.get(channel_id)
        return [stream.owner, *self._heard.get(channel_id, ())] if stream is not None else []

    def seen(self, user_id: str, sees: Sees) -> Seen:
        """What somebody sees of `user_id` who sees the streams that `sees` says; the newest stream counts."""
        own = [stream for stream in self._streams_of.get(user_id, {}).values() if sees(stream)]
        if own:
            return Seen(Presence.LIVE, own[-1])
        for channel_id in self._listens.get(user_id, ()):
            stream = self._on_channel.get(channel_id)
            if stream is not None and sees(stream):
                return Seen(Presence.LISTENING)
        return Seen(Presence.ONLINE if self.here(user_id) else Presence.OFFLINE)


def _less(counts: dict[str, Counter[str]], key: str, item: str) -> bool:
    """Count one less; whether none is left."""
    found = counts.get(key)
    if found is None or not found[item]:
        return False
    found[item] -= 1
    if found[item]:
        return False
    del found[item]
    if not found:
        del counts[key]
    return True
