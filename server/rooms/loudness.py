"""How loud a stream came in and went out, side by side: for the picture that its publisher sees."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from server.audio.frame import AudioFrame
from server.audio.levels import decibels
from server.clock import HOP

STEP = 4_800
"""Samples that one level stands for: 100 ms."""

BATCH = 2
"""Levels of each row that are told at once: every 200 ms."""

MOST_OPEN = 32
"""Steps of input that may wait for their output, 3.2 s; the oldest goes, output cannot lag that far."""

_HOPS = STEP // HOP

OnLevels = Callable[[int, list[float], list[float]], None]
"""Told the first sample of the batch and the RMS levels, dBFS to a tenth, of what came in and of what went out."""


class Loudness:
    """Pairs the levels of a stream's input and output, both in stream time.

    Output lags input; a step is told once both are whole. A step of which one side is missing, at the edges of a
    stream, is never told.
    """

    def __init__(self, on_levels: OnLevels) -> None:
        self._on_levels = on_levels
        self._in = _Row()
        self._out = _Row()
        self._waiting: dict[int, float] = {}
        self._batch: list[tuple[int, float, float]] = []

    def came(self, hop: AudioFrame) -> None:
        """The next hop of the input."""
        if (done := self._in.push(hop)) is not None:
            self._waiting[done[0]] = done[1]
            if len(self._waiting) > MOST_OPEN:
                del self._waiting[next(iter(self._waiting))]

    def went(self, hop: AudioFrame) -> None:
        """The next hop of the output."""
        if (done := self._out.push(hop)) is None or (came := self._waiting.pop(done[0], None)) is None:
            return
        if self._batch and self._batch[-1][0] + STEP != done[0]:
            self._tell()
        self._batch.append((done[0], came, done[1]))
        if len(self._batch) == BATCH:
            self._tell()

    def _tell(self) -> None:
        batch, self._batch = self._batch, []
        self._on_levels(batch[0][0], [came for _, came, _ in batch], [went for _, _, went in batch])


class _Row:
    """Sums up hops to steps."""

    def __init__(self) -> None:
        self._energy = 0.0
        self._hops = 0

    def push(self, hop: AudioFrame) -> tuple[int, float] | None:
        """The step that this hop completes, as (first sample, dBFS)."""
        if hop.start % STEP == 0:
            self._energy, self._hops = 0.0, 0
        self._energy += float(np.dot(hop.samples, hop.samples))
        self._hops += 1
        if hop.end % STEP:
            return None
        energy, hops = self._energy, self._hops
        self._energy, self._hops = 0.0, 0
        if hops != _HOPS:
            return None
        return hop.end - STEP, round(decibels(energy / STEP), 1)
