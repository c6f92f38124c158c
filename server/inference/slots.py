"""Which of a denoiser's slots are in use."""

from __future__ import annotations

import heapq

from server.errors import Unavailable


class Slots:
    """Numbers 0 to `capacity` − 1; the lowest free one is handed out first, so that those in use lie together."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._free = list(range(capacity))
        self._used: set[int] = set()

    def take(self) -> int:
        """Raises Unavailable when all are in use."""
        if not self._free:
            raise Unavailable(f"The denoiser already serves {self.capacity} streams.", code="denoiser-full")
        slot = heapq.heappop(self._free)
        self._used.add(slot)
        return slot

    def give_back(self, slot: int) -> None:
        self.check(slot)
        self._used.remove(slot)
        heapq.heappush(self._free, slot)

    def check(self, slot: int) -> None:
        """Raises ValueError for a slot that nobody holds."""
        if slot not in self._used:
            raise ValueError(f"slot {slot} is not in use")
