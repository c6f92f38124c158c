"""What a listener's receiver reports say of the way to it (RFC 3550 section 6.4)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from server.clock import SAMPLE_RATE, Clock
from server.metrics import LISTENER_JITTER, LISTENER_PACKETS_LOST, LISTENER_ROUND_TRIP

REMEMBERED = 8
"""Sender reports that a receiver report may refer to: they go out once a second."""
MAX_ROUND_TRIP_S = 30.0


@dataclass(frozen=True, slots=True)
class ListenerStatistics:
    """The way to one listener, as it reports it; None before it has."""

    packets_sent: int
    packets_lost: int = 0
    """Since the beginning; those that were sent again and arrived do not count."""
    loss: float | None = None
    """Share of the packets between its two latest reports."""
    jitter_s: float | None = None
    round_trip_s: float | None = None


class ReportLog:
    """Keeps the latest report of one listener."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sent: deque[tuple[int, int]] = deque(maxlen=REMEMBERED)
        self._packets = 0
        self._lost = 0
        self._counted = 0
        self._loss: float | None = None
        self._jitter_s: float | None = None
        self._round_trip_s: float | None = None

    def sent(self, middle: int, packets: int) -> None:
        """A sender report goes out: the middle 32 bits of its time, and the packets sent so far."""
        self._sent.append((middle, self._clock.samples()))
        self._packets = packets

    def received(self, fraction_lost: int, packets_lost: int, jitter: int, last: int, delay: int) -> None:
        """A report came, in the units of the wire; `last` is the sender report it refers to, 0 for none.

        A listener may report anything: only what can be is counted.
        """
        self._loss = fraction_lost / 256
        self._jitter_s = min(jitter / SAMPLE_RATE, 10.0)
        LISTENER_JITTER.observe(self._jitter_s)
        self._lost = max(0, min(packets_lost, self._packets))
        if self._lost > self._counted:
            LISTENER_PACKETS_LOST.inc(self._lost - self._counted)
            self._counted = self._lost
        went = next((at for middle, at in self._sent if middle == last), None)
        if went is not None:
            seconds = (self._clock.samples() - went) / SAMPLE_RATE - delay / 65536
            if -0.01 <= seconds <= MAX_ROUND_TRIP_S:  # the delay is rounded, clocks tick
                self._round_trip_s = max(0.0, seconds)
                LISTENER_ROUND_TRIP.observe(self._round_trip_s)

    def statistics(self, packets_sent: int) -> ListenerStatistics:
        return ListenerStatistics(packets_sent, self._lost, self._loss, self._jitter_s, self._round_trip_s)
