"""How many streams an engine carries on this machine."""

from __future__ import annotations

import statistics
import time

import numpy as np

from server.clock import HOP, SAMPLE_RATE
from server.inference.denoiser import Denoiser

HOP_S = HOP / SAMPLE_RATE

RESERVE = 1.3
"""By which 99 of 100 steps stay below the median's duration times this, on a machine that does little else."""

SHARE_S = 0.1
"""Time spent on each size of batch, seconds."""

_FEWEST = 10
"""Steps of a size at least."""


def streams_in_real_time(denoiser: Denoiser, most: int) -> int:
    """Streams, at most `most`, whose common step stays below a hop of 10 ms, with `RESERVE`; at least 1.

    The hops are copied in and out as between processes. Batches are doubled until they take too long, and between the
    last two sizes a straight line tells; about a second in all. Medians are taken: a server starts among other
    programs that start, whose interruptions say nothing of the machine.
    """
    fits, took_before, size = 0, 0.0, 1
    while True:
        took = RESERVE * median_step(denoiser, size)
        if took > HOP_S:
            break
        fits, took_before = size, took
        if size == most:
            return most
        size = min(2 * size, most)
    if not fits:
        return 1
    return max(1, fits + int((size - fits) * (HOP_S - took_before) / (took - took_before)))


def median_step(denoiser: Denoiser, size: int) -> float:
    """Seconds that a step of `size` streams takes, copies included."""
    return statistics.median(step_durations(denoiser, size, SHARE_S))


def step_durations(denoiser: Denoiser, size: int, seconds: float) -> list[float]:
    """Seconds that each step of `size` streams took, copies included, over about `seconds`."""
    ring = np.random.default_rng(size).normal(0.0, 0.01, (size, 4, HOP)).astype(np.float32)
    out = np.empty_like(ring)
    rows = np.arange(size)
    slots = [denoiser.add() for _ in range(size)]
    durations: list[float] = []
    for _ in range(4):  # a stream's first steps are no measure
        denoiser.step(slots, ring[:, 0])
    end = time.perf_counter() + seconds
    while len(durations) < _FEWEST or time.perf_counter() < end:
        began = time.perf_counter()
        places = rows * 0 + len(durations) % 4
        out[rows, places] = denoiser.step(slots, ring[rows, places])
        durations.append(time.perf_counter() - began)
    for slot in slots:
        denoiser.remove(slot)
    return durations
