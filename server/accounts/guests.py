"""Who is connected to a channel just now: listeners, and who publishes. What the media host tells, with who it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from server.accounts.gate import Actor
from server.clock import Clock
from server.rooms.messages import ListenerTold


@dataclass(frozen=True, slots=True)
class Guest:
    """A listener's connection."""

    peer_id: str
    channel_id: str
    actor: Actor
    since: datetime


@dataclass(frozen=True, slots=True)
class Talker:
    """The connection that a channel's stream comes through."""

    peer_id: str
    channel_id: str
    actor: Actor


Moved = Callable[[Guest, bool], None]
"""Told a listener, and whether they have come or gone."""


class Guests:
    """As many as the media host has: it tells of everybody who comes or goes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._arrived: dict[str, ListenerTold] = {}
        """Connections that nobody has said yet whose they are."""
        self._guests: dict[str, Guest] = {}
        self._talkers: dict[str, Talker] = {}
        self._listeners: list[Moved] = []

    def subscribe(self, listener: Moved) -> None:
        """`listener` is called on the event loop and must not wait."""
        self._listeners.append(listener)

    def told(self, told: ListenerTold) -> None:
        """The media host says who comes and who goes."""
        if told.here:
            self._arrived[told.peer_id] = told
            return
        self._arrived.pop(told.peer_id, None)
        gone = self._guests.pop(told.peer_id, None)
        if gone is not None:
            self._tell(gone, here=False)

    def admitted(self, peer_id: str, actor: Actor) -> None:
        """Whose connection it is; nothing where it has gone already."""
        arrived = self._arrived.pop(peer_id, None)
        if arrived is not None:
            guest = self._guests[peer_id] = Guest(peer_id, arrived.channel_id, actor, self._clock.wall())
            self._tell(guest, here=True)

    def get(self, peer_id: str) -> Guest | None:
        return self._guests.get(peer_id)

    def everybody(self) -> list[Guest]:
        return list(self._guests.values())

    def on(self, channel_id: str) -> list[Guest]:
        """Who listens to a channel, in the order in which they came."""
        return [guest for guest in self._guests.values() if guest.channel_id == channel_id]

    def of(self, user_id: str) -> list[Guest]:
        """Where somebody listens."""
        return [guest for guest in self._guests.values() if guest.actor.id == user_id]

    def talks(self, channel_id: str, peer_id: str, actor: Actor) -> None:
        """A channel's stream comes through this connection from now on."""
        self._talkers[channel_id] = Talker(peer_id, channel_id, actor)

    def falls_silent(self, channel_id: str) -> None:
        """The channel's stream has ended."""
        self._talkers.pop(channel_id, None)

    def talkers(self) -> list[Talker]:
        return list(self._talkers.values())

    def _tell(self, guest: Guest, *, here: bool) -> None:
        for listener in self._listeners:
            listener(guest, here)
