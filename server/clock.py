"""Time as Clearcast counts it: in 48 kHz samples of a monotonic clock.

Nothing above the media host asks the operating system for the time; it is passed in, so that a test can run a
minute of stream in a second.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol

SAMPLE_RATE = 48_000
"""Samples a second of every timeline."""

HOP = 480
"""Samples in a hop: 10 ms."""

PACKET = 960
"""Samples in an Opus packet that Clearcast sends: 20 ms."""


class Clock(Protocol):
    """What the media host knows of time."""

    def samples(self) -> int:
        """Samples at 48 kHz since an arbitrary moment; never goes back."""
        ...

    def wall(self) -> datetime:
        """The date and time of day, UTC, aware. May jump; never used to measure."""
        ...


class SystemClock:
    """The clock of this machine."""

    def samples(self) -> int:
        return time.monotonic_ns() * 6 // 125_000

    def wall(self) -> datetime:
        return datetime.now(UTC)


def iso(moment: datetime) -> str:
    """A moment as events and the API tell it: ISO 8601 in UTC, with milliseconds and Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds(samples: int) -> float:
    """Samples at 48 kHz as seconds."""
    return samples / SAMPLE_RATE
