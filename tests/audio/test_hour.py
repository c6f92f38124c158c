"""An hour of a sender whose clock runs wrong, in simulated time: nothing is missing, waits, or can be heard."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from server.audio.buffer import FrameBuffer
from server.audio.frame import AudioFrame
from tests.audio.feeding import HOP, SECOND, holes, samples_of, tone

MINUTE = 60 * SECOND
PIECE = 2880
"""60 ms."""
TICK = 3 * HOP
HERTZ = 997.0
SOUND = tone(0, SECOND + PIECE, HERTZ)
"""It repeats every second."""
LEVEL = 0.5
MARGIN = 96


def purity(heard: NDArray[np.float64], hertz: float) -> float:
    """Decibels between the one tone of frequency `hertz` that fits best and everything else."""
    angle = 2 * np.pi * hertz / SECOND * np.arange(len(heard))
    waves = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    fitted = waves @ np.linalg.lstsq(waves, heard, rcond=None)[0]
    return float(10 * np.log10(np.mean(fitted**2) / np.mean((heard - fitted) ** 2)))


def assert_one_tone(hops: list[AudioFrame], before: NDArray[np.float32]) -> NDArray[np.float32]:
    """Without a jump, not even between hops; gives the end of it for the next call."""
    heard = np.concatenate([before, samples_of(hops)])
    step = 2 * np.pi * HERTZ / SECOND
    slopes = np.diff(heard)
    bends = np.diff(slopes)
    assert max(slopes.max(), -slopes.min()) < 1.001 * LEVEL * step
    assert max(bends.max(), -bends.min()) < 1.01 * LEVEL * step**2
    return heard[-2:]


@pytest.mark.slow
@pytest.mark.parametrize(("minutes", "ppm", "jitter"), [(10, 200, 0), (60, -200, MARGIN - 6)])
def test_a_clock_200_ppm_off_makes_no_hole_and_no_growing_delay(minutes: int, ppm: int, jitter: int) -> None:
    """`ppm`: how much slower the sender's clock runs; `jitter`: samples that a piece comes late at most.

    A slow clock's ten minutes say what its hour says, in a fraction of the time: 120 ms that went nowhere.
    """
    waits = np.random.default_rng(7).integers(0, jitter + 1, 4096)
    buffer = FrameBuffer()
    hops: list[AudioFrame] = []
    delays: list[int] = []
    before = np.zeros(0, np.float32)
    total = sent = 0

    def arrival() -> int:
        return round((sent + PIECE) * (1 + ppm * 1e-6)) + int(waits[sent // PIECE % 4096])

    due = arrival()
    for now in range(TICK, minutes * MINUTE + 1, TICK):
        while due <= now:
            buffer.push(10**6 + sent, SOUND[sent % SECOND : sent % SECOND + PIECE], SECOND, due)
            sent += PIECE
            due = arrival()
        hops += buffer.pull(now)
        if now % (10 * SECOND):
            continue
        total += len(hops)
        delays.append(buffer.delay)
        if len(delays) == 1:
            assert holes(hops) == [(0, (PIECE + MARGIN) // HOP + 1)]  # until the first piece has come
            hops = hops[2 * (PIECE + MARGIN) // HOP :]
        before = assert_one_tone(hops, before)
        if len(delays) in (2, 30, 180, 360):  # after 20 s, 5 min, half an hour, an hour
            heard = samples_of(hops).astype(float)
            assert purity(heard[-4800:], HERTZ / (1 + ppm * 1e-6)) > 60
        hops = []
    assert total == minutes * MINUTE // HOP
    assert buffer.concealed == (PIECE + MARGIN) // HOP + 1
    assert buffer.late == buffer.duplicates == buffer.overflowed == buffer.reanchored == buffer.dropped_samples == 0
    assert buffer.skew_ppm == pytest.approx(ppm, abs=2)
    # Neither from the first minute on nor in between: 720 ms of drift went nowhere.
    assert max(abs(b - a) for a, b in itertools.pairwise(delays)) <= 48
    assert PIECE + MARGIN - 48 <= min(delays) <= max(delays) <= PIECE + MARGIN + 288
