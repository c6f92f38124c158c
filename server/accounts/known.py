"""Who a credential belongs to, remembered for seconds: a page of lists asks often, the database need not be."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from server.accounts.endings import Endings
from server.accounts.gate import Actor
from server.clock import Clock
from server.queues import Policy, Queue

MOST = 4096
SECONDS = 5.0
"""For so long a change may go unnoticed that another process made; what this one ends is forgotten at once."""

KNOWN = Queue(
    "known_actors",
    MOST,
    Policy.FORGET,
    holds="credentials whose owner is known, for 5 s",
    drop="The owner is read from the database again.",
)


class KnownActors:
    """Actors by the fingerprint of what they proved themselves with. Credentials themselves are not kept."""

    def __init__(
        self,
        endings: Endings,
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._known: OrderedDict[str, tuple[Actor, float]] = KNOWN.watch(OrderedDict())
        self._ended = 0
        """Counts endings: whoever was being looked up meanwhile is not remembered."""
        endings.subscribe(self._forget)

    async def of(self, fingerprint: str, find: Callable[[], Awaitable[Actor]]) -> Actor:
        """The actor, from memory or as `find` says. Raises what `find` raises, and remembers nothing then."""
        known = self._known.get(fingerprint)
        if known is not None and known[1] > self._monotonic() and self._holds(known[0]):
            return known[0]
        ended = self._ended
        actor = await find()
        if ended == self._ended:
            self._known[fingerprint] = (actor, self._monotonic() + SECONDS)
            self._known.move_to_end(fingerprint)
            if len(self._known) > MOST:
                self._known.popitem(last=False)
                KNOWN.dropped += 1
        return actor

    def _holds(self, actor: Actor) -> bool:
        return actor.until is None or actor.until > self._clock.wall()

    def _forget(self, user_id: str, credential: str) -> None:
        self._ended += 1
        gone = [
            key
            for key, (actor, _) in self._known.items()
            if actor.id == user_id and credential in ("", actor.credential)
        ]
        for key in gone:
            del self._known[key]
