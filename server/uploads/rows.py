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
    """Rows that follow each other. Whoever asks for what comes after the next batch is done with them."""

    rows: list[Samples]
    """Of LEAD + SEGMENT + delay samples each."""
    first: bool
    """Whether the first row is the beginning of the audio: before it there is nothing to be heard."""
    length: int
    """Samples of the audio that they stand for."""

    def audio(self) -> Iterator[Samples]:
        """What they stand for, as it came."""
        for number, row in enumerate(self.rows):
            yield row[LEAD : LEAD + self.kept(number)]

    def kept(self, number: int) -> int:
        """How many samples of a row are of the audio."""
        return max(0, min(SEGMENT, self.length - number * SEGMENT))


class RowCutter:
    """Audio in, in pieces of any length; batches out. Two batches of memory are used in turn, and no more."""

    def __init__(self, delay: int) -> None:
        self._delay = delay
        size = LEAD + ROWS * SEGMENT + delay
        self._filling, self._other = np.zeros(size, np.float32), np.zeros(size, np.float32)
        self._count = LEAD
        self._first = True

    def push(self, samples: Samples) -> Iterator[Batch]:
        """Take the next audio."""
        while len(samples):
            taken = samples[: len(self._filling) - self._count]
            self._filling[self._count : self._count + len(taken)] = taken
            self._count += len(taken)
            samples = samples[len(taken) :]
            if self._count == len(self._filling):
                yield self._batch(ROWS * SEGMENT)
                self._turn(ROWS * SEGMENT)

    def flush(self) -> Iterator[Batch]:
        """What is left; the denoiser looks ahead into silence."""
        while (left := self._count - LEAD) > 0:
            length = min(left, ROWS * SEGMENT)
            self._filling[self._count :] = 0.0
            yield self._batch(length)
            self._turn(length)

    def _batch(self, length: int) -> Batch:
        whole = LEAD + SEGMENT + self._delay
        starts = range(0, length, SEGMENT)
        return Batch([self._filling[start : start + whole] for start in starts], self._first, length)

    def _turn(self, length: int) -> None:
        """Go on in the other memory, behind so much audio; whoever asks is done with the batch in that."""
        audio, fresh = self._filling, self._other
        self._count = max(LEAD, self._count - length)
        fresh[: self._count] = audio[length : length + self._count]
        self._filling, self._other = fresh, audio
        self._first = False
