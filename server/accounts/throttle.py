"""How often somebody may try to sign in."""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable

from server.errors import TooManyRequests
from server.queues import Policy, Queue

REMEMBERED = 20_000
WINDOW_S = 15 * 60.0
BY_PAIR = 5
"""Failures of one name from one address in a quarter of an hour."""
BY_ADDRESS = 30
"""From one address, whatever the names."""
BY_NAME = 30
"""Of one name, from whatever addresses; but for those that the name's owner has signed in from."""

FAILURES = Queue(
    "sign_in_failures",
    REMEMBERED,
    Policy.FORGET,
    holds="names and addresses that failed to sign in, or did",
    drop="Somebody guesses from very many addresses: the one that failed longest ago may try anew.",
)

Key = tuple[str, str, str]


class Throttle:
    """Counts attempts to sign in before they are looked at, so that many at once count too; successes count not."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._tried: OrderedDict[Key, deque[float]] = FAILURES.watch(OrderedDict())

    def take(self, name: str, address: str) -> None:
        """Count one attempt. Raises TooManyRequests, with the time after which the next is looked at."""
        place = _network(address)
        limits: dict[Key, int] = {("pair", name, place): BY_PAIR, ("address", "", place): BY_ADDRESS}
        if ("good", name, place) not in self._tried:
            limits["name", name, ""] = BY_NAME
        now = self._monotonic()
        if (left := max(self._wait(key, most, now) for key, most in limits.items())) > 0:
            raise TooManyRequests("Too many attempts to sign in. Wait a little.", retry_after=math.ceil(left))
        for key, most in limits.items():
            self._entry(key, most).append(now)

    def succeeded(self, name: str, address: str) -> None:
        """The attempt was right: it, and the failures of the same name from there, are forgotten."""
        place = _network(address)
        self._tried.pop(("pair", name, place), None)
        for key in (("address", "", place), ("name", name, "")):
            if self._tried.get(key):
                self._tried[key].pop()
        self._entry(("good", name, place), 1)

    def _wait(self, key: Key, most: int, now: float) -> float:
        tried = self._tried.get(key)
        return tried[0] + WINDOW_S - now if tried is not None and len(tried) >= most else 0.0

    def _entry(self, key: Key, most: int) -> deque[float]:
        entry = self._tried.setdefault(key, deque(maxlen=most))
        self._tried.move_to_end(key)
        if len(self._tried) > REMEMBERED:
            self._tried.popitem(last=False)
            FAILURES.dropped += 1
        return entry


def _network(address: str) -> str:
    """Whoever has one IPv6 address has a network of them (RFC 6177)."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    return str(found.ipv4_mapped or ipaddress.IPv6Network((int(found), 64), strict=False))
