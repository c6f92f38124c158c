"""How much of something one peer may have."""

from __future__ import annotations


class TokenBucket:
    """So many for each unit of `now`, and a burst of them at once.

    `now` only grows; it is seconds, or whatever else goes on, such as packets sent.
    """

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._left = burst
        self._at = now

    def take(self, now: float) -> bool:
        """Whether one more is allowed now."""
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
