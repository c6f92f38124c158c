"""Whom everybody knows, kept in memory: it is asked for with every event and every request."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from server.queues import Policy, Queue
from server.store.people_records import Circle

__all__ = ["Circle", "Circles"]

MAX_CIRCLES = 4_096
"""More than there may be event sockets, so that everybody who is there is known."""
CIRCLES = Queue(
    "circles",
    MAX_CIRCLES,
    Policy.FORGET,
    holds="people whose friends, groups and blocks are kept from the database",
    drop="They are read from the database again.",
)

Load = Callable[[str], Awaitable[Circle]]
Changed = Callable[[frozenset[str]], None]
NOBODY_KNOWN = Circle()


@dataclass(slots=True)
class _Reading:
    """A circle that is being read from the database."""

    readers: int = 0
    changes: int = 0
    """How often it has changed meanwhile."""


class Circles:
    """The circles that were asked for lately. Everything happens on the event loop."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._kept: OrderedDict[str, Circle] = CIRCLES.watch(OrderedDict())
        self._readings: dict[str, _Reading] = {}
        self._subscribers: list[Changed] = []

    async def of(self, user_id: str) -> Circle:
        """Whom somebody knows; nobody, for who has no account. Raises Unavailable."""
        if not user_id:
            return NOBODY_KNOWN
        while True:
            known = self.known(user_id)
            if known is not None:
                return known
            reading = self._readings.setdefault(user_id, _Reading())
            reading.readers += 1
            before = reading.changes
            try:
                circle = await self._load(user_id)
            finally:
                reading.readers -= 1
                if not reading.readers:
                    del self._readings[user_id]
            if reading.changes == before:  # else what was read may be of before the change
                self._keep(user_id, circle)
                return circle

    def known(self, user_id: str) -> Circle | None:
        """The same without waiting; None where it is not in memory."""
        if not user_id:
            return NOBODY_KNOWN
        circle = self._kept.get(user_id)
        if circle is not None:
            self._kept.move_to_end(user_id)
        return circle

    def changed(self, *user_ids: str) -> None:
        """Forget what was known of some people, once the change is in the database, and tell whoever subscribed."""
        for user_id in user_ids:
            self._kept.pop(user_id, None)
            if user_id in self._readings:
                self._readings[user_id].changes += 1
        people = frozenset(user_ids)
        for tell in list(self._subscribers):
            tell(people)

    def knowing(self, user_id: str) -> list[str]:
        """Those in memory who have somebody in their circle."""
        return [other for other, circle in self._kept.items() if user_id in circle.friends or user_id in circle.barred]

    def subscribe(self, callback: Changed) -> Callable[[], None]:
        """Have `callback` called with the ids of those whose circles change; call what it returns to stop that."""
        self._subscribers.append(callback)
        return lambda: self._subscribers.remove(callback)

    def _keep(self, user_id: str, circle: Circle) -> None:
        self._kept[user_id] = circle
        if len(self._kept) > MAX_CIRCLES:
            CIRCLES.dropped += 1
            self._kept.popitem(last=False)
