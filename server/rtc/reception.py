"""What a receiver tells a sender about the packets that came (RFC 3550, sections 6.4 and A.3)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reception:
    """The numbers of one report block."""

    fraction_lost: int
    """Lost since the last report, in 1/256."""
    packets_lost: int
    highest_sequence: int
    jitter: int
    """In RTP time units."""


class ReceptionStatistics:
    """Counts the packets of one synchronisation source."""

    def __init__(self, sequence: int) -> None:
        self._base = self._highest = sequence
        self._received = 0
        self._prior = (0, 0)
        self._transit: int | None = None
        self._jitter = 0.0

    def add(self, sequence: int, timestamp: int, arrival: int) -> None:
        """Take note of a packet; `arrival` in the units of `timestamp`, from any origin."""
        ahead = (sequence - self._highest + 0x8000 & 0xFFFF) - 0x8000
        self._highest += max(ahead, 0)
        self._received += 1
        transit = arrival - timestamp & 0xFFFFFFFF
        if self._transit is not None and ahead > 0:
            change = abs((transit - self._transit + (1 << 31) & 0xFFFFFFFF) - (1 << 31))
            self._jitter += (min(change, 48_000) - self._jitter) / 16
        self._transit = transit

    def report(self) -> Reception:
        expected = self._highest - self._base + 1
        lost = expected - self._received
        new_expected, new_lost = expected - self._prior[0], lost - self._prior[1]
        self._prior = (expected, lost)
        fraction = min(255, (new_lost << 8) // new_expected) if new_expected > 0 and new_lost > 0 else 0
        total = max(-(1 << 23), min(lost, (1 << 23) - 1))
        return Reception(fraction, total, self._highest & 0xFFFFFFFF, int(self._jitter))
