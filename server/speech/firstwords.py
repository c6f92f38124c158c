"""Keeps the first words of a stream from being taken for noise.

A recurrent denoiser that has heard no speech yet often suppresses the first syllable of it: it comes as a sudden
burst. So until the denoiser has been seen to let speech through, a hop that stands out from what was heard before and
that the denoiser nearly took away goes out as it came.
"""

from __future__ import annotations

import math

import numpy as np

from server.audio.frame import Samples

STANDS_OUT_DB = 8.0
"""Over the background, for a hop to be a burst."""

TAKEN_AWAY_DB = 3.0
"""Attenuation from which on a burst counts as suppressed, and below which louder hops count as let through."""

TRUSTED_HOPS = 20
"""Louder hops let through, 200 ms in all, after which the denoiser is believed."""

LIMIT_HOPS = 300
"""After 3 s it is believed in any case."""

_FALL = 0.9
"""Of the original's share from hop to hop, once nothing is suppressed any more."""

_UP, _DOWN = 0.05, 0.2
"""Of the background towards louder and quieter hops."""


def _level(samples: Samples) -> float:
    return 10.0 * math.log10(float(np.dot(samples, samples)) / len(samples) + 1e-10)


class FirstWords:
    """For one stream. Pure: hops in, the original's share out."""

    def __init__(self) -> None:
        self._background: float | None = None
        self._let_through = 0
        self._hops = 0
        self._share = 0.0

    @property
    def over(self) -> bool:
        """Whether the denoiser is believed, and nothing is left to fade."""
        return self._believed and not self._share

    @property
    def _believed(self) -> bool:
        return self._let_through >= TRUSTED_HOPS or self._hops >= LIMIT_HOPS

    def share(self, raw: Samples, clean: Samples) -> float:
        """How much of the original, 0 to 1, belongs into this hop at its end; both (480,), aligned."""
        if self.over:
            return 0.0
        level, kept = _level(raw), _level(clean)
        before = level if self._background is None else self._background
        self._background = before + (level - before) * (_UP if level > before else _DOWN)
        self._hops += 1
        above, lost = level - self._background, level - kept
        if lost < TAKEN_AWAY_DB < above:
            self._let_through += 1
        wanted = 0.0
        if lost > TAKEN_AWAY_DB and above > STANDS_OUT_DB and not self._believed:
            wanted = 1.0 - self._let_through / TRUSTED_HOPS
        faded = self._share * _FALL
        self._share = max(wanted, faded if faded > 1e-3 else 0.0)
        return self._share
