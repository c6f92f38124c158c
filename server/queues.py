"""Everything that waits in a process: what it is, how much of it may wait, what becomes of the rest.

A queue is declared once, beside the code that fills it. What holds the waiting is known here by a weak reference and
asked for its length when somebody reads `/metrics`; what is dropped is counted in a plain integer. So nothing that
passes through a queue pays for being watched.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Sized
from enum import StrEnum
from typing import Any, TypeVar

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

Owner = TypeVar("Owner")
Held = TypeVar("Held", bound=Sized)
Length = int | list[int]
"""What waits in one place, or in several at once."""


class Policy(StrEnum):
    """What becomes of what finds no room."""

    OLDEST = "oldest"
    """What has waited longest goes."""
    NEWEST = "newest"
    """What comes is refused."""
    FORGET = "forget"
    """A memory: what was not used for longest is forgotten, nobody loses anything."""
    READER = "reader"
    """Whoever reads too slowly is cut off and may come again."""
    STOP = "stop"
    """The work behind the queue is stopped, and says so."""
    EARLY = "early"
    """All that waits goes on at once: nothing is lost, some of it comes out of order."""
    ORIGINAL = "original"
    """The original goes out instead."""


class Queue:
    """One kind of queue.

    `limit` is of a single one; the name of a setting where an operator chooses it. `holds` and `drop` are for the table
    in docs/operations.md: what waits there, and what a drop means.
    """

    def __init__(self, name: str, limit: int | str, policy: Policy, *, holds: str, drop: str) -> None:
        if name in QUEUES:
            raise ValueError(f"there is a queue {name} already")
        self.name = name
        self.declared = limit
        self.limit = limit
        self.policy = policy
        self.holds = holds
        self.drop = drop
        self.dropped = 0
        """What found no room since the process began; whoever fills the queue counts it here."""
        self._watched: dict[int, tuple[weakref.ref[Any], Callable[[Any], Length]]] = {}
        QUEUES[name] = self

    def watch(self, held: Held) -> Held:
        """Tell the length of `held`, a deque or anything else with a length and weak references, while it lives."""
        self.measure(held, len)
        return held

    def measure(self, owner: Owner, length: Callable[[Owner], Length], limit: int | None = None) -> None:
        """Tell what `length(owner)` says while `owner` lives; it is called in another thread and must not mind.

        `limit` is the value of the setting that the declaration names.
        """
        if limit is not None:
            self.limit = limit
        key, watched = id(owner), self._watched
        watched[key] = (weakref.ref(owner, lambda _: watched.pop(key, None)), length)

    def lengths(self) -> list[int]:
        """How much waits in each of them just now."""
        found: list[int] = []
        for reference, length in list(self._watched.values()):
            owner = reference()
            if owner is not None:
                waiting = length(owner)
                found += [waiting] if isinstance(waiting, int) else waiting
        return found


QUEUES: dict[str, Queue] = {}
"""Every queue of the process, by name."""


class _Collector(Collector):
    """Reads all queues when the metrics are read."""

    def collect(self) -> Iterable[Metric]:
        length = GaugeMetricFamily("clearcast_queue_length", "What waits, in all of a kind.", labels=["queue"])
        longest = GaugeMetricFamily("clearcast_queue_longest", "What waits in the fullest of a kind.", labels=["queue"])
        limit = GaugeMetricFamily("clearcast_queue_limit", "What may wait in one of a kind.", labels=["queue"])
        dropped = CounterMetricFamily(
            "clearcast_queue_dropped", "What found no room, by what became of it.", labels=["queue", "policy"]
        )
        for name, queue in list(QUEUES.items()):
            lengths = queue.lengths()
            length.add_metric([name], sum(lengths))
            longest.add_metric([name], max(lengths, default=0))
            if isinstance(queue.limit, int):
                limit.add_metric([name], queue.limit)
            dropped.add_metric([name, str(queue.policy)], queue.dropped)
        return (length, longest, limit, dropped)


REGISTRY.register(_Collector())
