"""How often things may be asked for, in each class of routes.

A counter is one number, the time at which everything that was asked for would have been asked evenly ("generic cell
rate algorithm"): a minute's worth may come at once, and then one in every part of a minute.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from server.errors import TooManyRequests
from server.queues import Policy, Queue
from server.rates import Rate

MINUTE = 60.0
MOST = 20_000
SLACK = 1e-6
"""Of a second, for what floating point loses."""

COUNTED = Queue(
    "rate_limits",
    MOST,
    Policy.FORGET,
    holds="people, keys and addresses whose requests are counted, in each class of routes",
    drop="Whoever asked longest ago may ask anew.",
)


@dataclass(frozen=True, slots=True)
class Left:
    """What somebody may still ask for."""

    limit: int
    """In a minute."""
    remaining: int
    """At once."""
    reset: int
    """Seconds until all of it is there again."""

    @property
    def headers(self) -> dict[str, str]:
        """How an answer tells it."""
        told = {"Limit": self.limit, "Remaining": self.remaining, "Reset": self.reset}
        return {f"X-RateLimit-{name}": str(value) for name, value in told.items()}


class Limits:
    """Counts what everybody asks for."""

    def __init__(self, rates: Mapping[Rate, int], clock: Callable[[], float] = time.monotonic) -> None:
        self._rates = rates
        self._clock = clock
        self._even: dict[Rate, OrderedDict[str, float]] = {rate: COUNTED.watch(OrderedDict()) for rate in Rate}

    def limit(self, rate: Rate) -> int:
        """Requests a minute; 0 where there is no limit."""
        return self._rates.get(rate, 0)

    def take(self, rate: Rate, key: str, times: int = 1) -> Left | None:
        """Count one of `key`, who may do `times` as much as one person; what is left, None where there is no limit.

        Raises TooManyRequests; what is refused is not counted.
        """
        limit = self.limit(rate) * times
        if limit == 0:
            return None
        now, step, even = self._clock(), MINUTE / limit, self._even[rate]
        ahead = max(0.0, even.get(key, 0.0) - now) + step
        if ahead > MINUTE + SLACK:
            wait = math.ceil(ahead - MINUTE)
            raise TooManyRequests("This was asked for too often. Wait a moment.", retry_after=wait)
        even[key] = now + ahead
        even.move_to_end(key)
        if len(even) > MOST:
            even.popitem(last=False)
            COUNTED.dropped += 1
        return Left(limit, int((MINUTE - ahead) / step + SLACK), math.ceil(ahead))
