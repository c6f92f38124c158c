"""How often one address may do what costs the server something."""

from __future__ import annotations

import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable

from server.errors import TooManyRequests
from server.queues import Policy, Queue

ADDRESSES = 1000
"""Addresses that are remembered; beyond that the one that asked longest ago is forgotten."""

ASKED = Queue(
    "allowances",
    ADDRESSES,
    Policy.FORGET,
    holds="addresses whose requests are counted",
    drop="More addresses ask than are counted: the one that asked longest ago may ask anew.",
)


class Allowance:
    """At most `times` in `seconds`, counted for each address."""

    def __init__(self, times: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._times = times
        self._seconds = seconds
        self._clock = clock
        self._asked: OrderedDict[str, deque[float]] = ASKED.watch(OrderedDict())

    def take(self, address: str) -> None:
        """Count one. Raises TooManyRequests, with the time after which another one is allowed."""
        now = self._clock()
        asked = self._asked.setdefault(address, deque(maxlen=self._times))
        self._asked.move_to_end(address)
        if len(self._asked) > ADDRESSES:
            self._asked.popitem(last=False)
            ASKED.dropped += 1
        if len(asked) == self._times and (left := asked[0] + self._seconds - now) > 0:
            raise TooManyRequests("This was asked for too often. Wait a moment.", retry_after=math.ceil(left))
        asked.append(now)
