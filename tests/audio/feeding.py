"""Feeds a FrameBuffer as a publisher and a ticker would, in simulated time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from server.audio.buffer import FrameBuffer
from server.audio.frame import AudioFrame

SECOND = 48_000
HOP = 480
DELAY = 960 + 96
"""Usual arrival to play-out of 20 ms pieces on a quiet path: a piece and the margin."""
FADE = 240
"""How long the edge of a hole is faded."""


@dataclass(frozen=True)
class Sent:
    """One piece of audio: the sender's time, and when it comes."""

    arrival: int
    time: int
    samples: NDArray[np.float32]
    rate: int = 48_000


def tone(start: int, count: int, frequency: float = 440.0) -> NDArray[np.float32]:
    """A tone at 48 kHz from sample `start` on, at -6 dBFS."""
    return (0.5 * np.sin(2 * np.pi * frequency / SECOND * np.arange(start, start + count))).astype(np.float32)


def regular(count: int, *, start: int = 0, time: int = 0, audio_from: int = 0, size: int = 960) -> list[Sent]:
    """Pieces of a tone, each arriving when its last sample was recorded, from stream time `start` on."""
    return [Sent(start + (k + 1) * size, time + k * size, tone(audio_from + k * size, size)) for k in range(count)]


def held_back(sent: Iterable[Sent], begin: int, end: int) -> list[Sent]:
    """What would arrive between `begin` and `end` arrives at `end`: a network that stands still."""
    return [replace(piece, arrival=end) if begin <= piece.arrival < end else piece for piece in sent]


def play(
    buffer: FrameBuffer,
    sent: Iterable[Sent],
    until: int,
    *,
    ticks: Iterable[int] | None = None,
    tick_first: bool = False,
) -> list[AudioFrame]:
    """Push at arrival, pull every 10 ms (or at `ticks`); gives every hop."""
    waiting = sorted(sent, key=lambda piece: piece.arrival)
    hops: list[AudioFrame] = []
    at = 0
    for now in ticks if ticks is not None else range(HOP, until + 1, HOP):
        if tick_first:
            hops += buffer.pull(now)
        while at < len(waiting) and waiting[at].arrival <= now:
            piece = waiting[at]
            buffer.push(piece.time, piece.samples, piece.rate, piece.arrival)
            at += 1
        if not tick_first:
            hops += buffer.pull(now)
    return hops


def samples_of(hops: Iterable[AudioFrame]) -> NDArray[np.float32]:
    """All samples in a row."""
    return np.concatenate([hop.samples for hop in hops])


def holes(hops: Iterable[AudioFrame]) -> list[tuple[int, int]]:
    """Runs of concealed hops as (first, end) in hops."""
    found: list[tuple[int, int]] = []
    for index, hop in enumerate(hops):
        if hop.concealed and found and found[-1][1] == index:
            found[-1] = (found[-1][0], index + 1)
        elif hop.concealed:
            found.append((index, index + 1))
    return found


def assert_gapless(hops: list[AudioFrame], start: int = 0) -> None:
    """The invariants of every hop that ever leaves a FrameBuffer."""
    for index, hop in enumerate(hops):
        assert hop.start == start + index * HOP
        assert hop.samples.shape == (HOP,) and hop.samples.dtype == np.float32
        assert np.isfinite(hop.samples).all()
        assert float(np.abs(hop.samples).max()) <= 1.0
