"""Off the record: audio goes out, and nothing of it is written or kept."""

from __future__ import annotations

from collections import deque

from server.audio.opus import packet_duration
from server.audio.toc import silence_packets
from server.clock import PACKET

REMEMBERED = 200
"""Spans of a stream that are known here. What is heard of older ones is silence: they were filled with it."""

KIND = "off the record"
"""What a gap in the event log is called that a person has wished for."""


class OffRecord:
    """The spans of one stream's timeline of which nothing is kept, in 48 kHz samples.

    They begin and end between packets. One begins after all that has come in before; it ends a packet later than it
    could, because a packet may hold a little of the one before it: the encoder's lookahead, and a second, coarse copy
    against loss (RFC 6716, section 2.1.7).
    """

    def __init__(self, since: int | None = None) -> None:
        self.since = since
        """Where the span began that has not ended; None while everything is kept."""
        self._spans: deque[tuple[int, int]] = deque(maxlen=REMEMBERED)

    @property
    def on(self) -> bool:
        return self.since is not None

    def begin(self, came: int) -> int:
        """Keep nothing that comes from now on; `came` is the end of what has come in. Where the span begins."""
        last = self._spans[-1][1] if self._spans else 0
        self.since = max(came // PACKET * PACKET, last)
        return self.since

    def end(self, arrived: int) -> tuple[int, int]:
        """Keep what comes from now on; `arrived` is where that will lie. The span, as (start, end)."""
        start = self.since if self.since is not None else arrived
        end = max(start, -(-arrived // PACKET) * PACKET + PACKET)
        self._spans.append((start, end))
        self.since = None
        return start, end

    def covers(self, start: int, end: int) -> bool:
        """Whether any of the samples from `start` to `end` is off the record."""
        if self.since is not None and end > self.since:
            return True
        return any(start < until and end > since for since, until in reversed(self._spans))

    def holds(self, start: int, end: int) -> bool:
        """Whether all samples from `start` to `end` are off the record."""
        if self.since is not None and start >= self.since:
            return True
        return any(start >= since and end <= until for since, until in self._spans)

    def kept(self, start: int, packet: bytes) -> list[tuple[int, bytes]]:
        """What is recorded of a packet that begins at `start`: itself, or silence of the same length."""
        if self.since is None and not self._spans:
            return [(start, packet)]
        duration = packet_duration(packet)
        if not self.covers(start, start + duration):
            return [(start, packet)]
        silent: list[tuple[int, bytes]] = []
        for piece in silence_packets(duration, 2 if packet[0] & 4 else 1):
            silent.append((start, piece))
            start += packet_duration(piece)
        return silent
