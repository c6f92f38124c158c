"""How long a stream waits for audio before it is over."""

from __future__ import annotations

from datetime import datetime, timedelta

from server.clock import SAMPLE_RATE, Clock, seconds

CONNECT_LIMIT = 30 * SAMPLE_RATE
"""Samples that a publisher has for its first audio."""

ATTACHED_GRACE = 10 * SAMPLE_RATE
"""Samples that a publisher who is back has to connect, even where the wait would be over."""

TAKEOVER_SILENCE = SAMPLE_RATE
"""Samples of silence on the wire after which its own principal may replace a publisher."""


class Patience:
    """A deadline in samples of the clock, and the same in words for people: `until`, None while nobody is missed."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heard = clock.samples()
        self._deadline = self._heard + CONNECT_LIMIT
        self.until: datetime | None = None

    def heard(self, arrival: int) -> None:
        """Audio came."""
        self._heard = max(self._heard, arrival)
        self.until = None

    def wait(self, samples: int) -> None:
        """The publisher is gone; it has so long to come back."""
        self._deadline = self._clock.samples() + samples
        self.until = self._clock.wall() + timedelta(seconds=seconds(samples))

    def grant(self) -> None:
        """Somebody is about to be heard: they get the time that it takes to connect."""
        if self._clock.samples() + ATTACHED_GRACE > self._deadline:
            waiting = self.until is not None
            self.wait(ATTACHED_GRACE)
            self.until = self.until if waiting else None

    def silent(self, now: int) -> bool:
        """Whether the wire has been silent for so long that another connection may take over."""
        return now - self._heard >= TAKEOVER_SILENCE

    def over(self, now: int) -> bool:
        return now >= self._deadline
