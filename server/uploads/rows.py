"""A file cut into rows that are denoised side by side: a batch of sixteen takes hardly longer than one alone.

Each row begins with some seconds that were in the row before, in which the denoiser finds its way into the audio, and
ends with as many samples as it looks ahead: so what comes out of a row is in its place, sample for sample.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from server.audio.frame import Samples

ROWS = 16
SEGMENT = 10 * 48_000
"""Samples of a row that are kept."""
LEAD = 4 * 48_000
"""Samples before them, that are only heard."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Rows that follow each other."""

    rows: list[Samples]
    """Of LEAD + SEGMENT + delay samples each."""
    first: bool
    """Whether the first row is the beginning of the audio: before it there is nothing to be heard."""
    length: int
    """Samples of the audio that they stand for."""


class RowCutter:
    """Audio in, in pieces of any length; batches out."""

    def __init__(self, delay: int) -> None:
        self._delay = delay
        self._kept: Samples = np.zeros(LEAD, np.float32)
        self._pieces: list[Samples] = []
        self._count = LEAD
        self._first = True

    def push(self, samples: Samples) -> Iterator[Batch]:
        self._pieces.append(samples)
        self._count += len(samples)
        while self._count >= LEAD + ROWS * SEGMENT + self._delay:
            yield self._cut(ROWS, ROWS * SEGMENT)

    def flush(self) -> Iterator[Batch]:
        """What is left; the denoiser looks ahead into silence."""
        left = self._count - LEAD
        if left > 0:
            rows = -(-left // SEGMENT)
            self.pad(rows * SEGMENT + self._delay - left)
            yield self._cut(rows, left)

    def pad(self, count: int) -> None:
        self._pieces.append(np.zeros(max(0, count), np.float32))
        self._count += max(0, count)

    def _cut(self, rows: int, length: int) -> Batch:
        self._kept = np.concatenate([self._kept, *self._pieces])
        self._pieces = []
        whole = LEAD + SEGMENT + self._delay
        cut = [self._kept[row * SEGMENT : row * SEGMENT + whole] for row in range(rows)]
        batch = Batch(cut, self._first, length)
        self._kept = self._kept[rows * SEGMENT :].copy()
        self._count = len(self._kept)
        self._first = False
        return batch
