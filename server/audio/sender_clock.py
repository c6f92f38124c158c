"""Where a sender's time lies on ours, for packets that are passed on as they came: nothing is resampled.

Kept apart from `server.audio.timeline`, which looks for a play-out delay: here a window is long, because nobody waits.
"""

from __future__ import annotations

from collections import deque

from server.clock import SAMPLE_RATE

AHEAD = 3 * SAMPLE_RATE // 10
"""A packet that comes so much earlier than its time says was not stamped by the same clock."""

LATE = SAMPLE_RATE // 2
"""A packet that comes so much later than the quickest has waited somewhere, or its clock stood still."""

_LATE_RUN = 3
_LATE_SPAN = 1920
_BUCKET = SAMPLE_RATE // 2
_BUCKETS = 40
"""20 s: congestion is shorter, and 200 parts in a million come to 4 ms in it."""


class SenderClock:
    """Follows the times of one sender's packets, in samples at 48 kHz; arrivals are stream time.

    A *run* is as long as the sender's clock goes evenly. Another begins after `reanchor`, when a packet comes earlier
    than it can have been sent, and when packets stay late that no stall explains.
    """

    def __init__(self) -> None:
        self.run = 0
        """Grows with every run; 0 before the first packet."""
        self.floor = 0
        """Smallest arrival less time in the last 20 s: where time 0 lies on our clock when the path is at its best."""
        self._anew = True
        self._minima: deque[tuple[int, int]] = deque(maxlen=_BUCKETS)
        self._late = 0
        self._late_since = (0, 0)

    def reanchor(self) -> None:
        """Whatever comes next has a clock of its own."""
        self._anew = True

    def follow(self, time: int, arrival: int) -> int:
        """A packet stamped `time` came at `arrival`: by how many samples later than the quickest ones of its run."""
        offset = arrival - time
        if self._anew or offset < self.floor - AHEAD or self._stays_late(offset, arrival):
            self._anew = False
            self._late = 0
            self.run += 1
            self._minima.clear()
        index = arrival // _BUCKET
        if self._minima and self._minima[-1][0] >= index:
            self._minima[-1] = (self._minima[-1][0], min(offset, self._minima[-1][1]))
            self.floor = min(self.floor, offset)
        else:
            self._minima.append((index, offset))
            self.floor = min(least for _, least in self._minima)
        return offset - self.floor

    def _stays_late(self, offset: int, arrival: int) -> bool:
        """After a stall each packet is less late than the one before; where that is not so, the clock has moved."""
        if offset - self.floor <= LATE:
            self._late = 0
            return False
        if not self._late:
            self._late_since = (arrival, offset)
        self._late += 1
        span = arrival - self._late_since[0]
        return self._late >= _LATE_RUN and span >= _LATE_SPAN and offset - self._late_since[1] > -span / 2
