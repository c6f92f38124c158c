"""What a quick look at a file says: is it any good, and what has to be expected of it?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from server.audio.frame import Samples
from server.audio.levels import FLOOR_DBFS, decibels

STEP = 4_800
"""Samples (100 ms) of which each level is."""
SPEECH = 90.0
NOISE = 10.0
"""Percentiles of the levels: talk is louder than nine tenths of a talk, its pauses are below a tenth."""
SILENT_DBFS = -90.0


@dataclass(slots=True)
class Levels:
    """How loud audio is, step by step; four bytes for each 100 ms."""

    _powers: list[float] = field(default_factory=list)
    _rest: Samples = field(default_factory=lambda: np.zeros(0, np.float32))

    def push(self, samples: Samples) -> None:
        joined = np.concatenate([self._rest, samples])
        whole = len(joined) // STEP * STEP
        self._powers += np.mean(np.square(joined[:whole].reshape(-1, STEP)), axis=1).tolist()
        self._rest = joined[whole:]

    def found(self) -> tuple[float | None, float | None, float | None]:
        """Levels of the talk and of the noise, dBFS, and the difference, dB; None where all is silence."""
        return _levels(self._powers or [float(np.mean(np.square(self._rest))) if len(self._rest) else 0.0])


def _levels(powers: Sequence[float]) -> tuple[float | None, float | None, float | None]:
    known = np.array([decibels(power) for power in powers])
    audible = known[known > SILENT_DBFS]  # digital silence is no noise: it was put in
    if not len(audible):
        return None, FLOOR_DBFS, None
    talk, noise = float(np.percentile(audible, SPEECH)), float(np.percentile(audible, NOISE))
    return round(talk, 1), round(noise, 1), round(talk - noise, 1)
