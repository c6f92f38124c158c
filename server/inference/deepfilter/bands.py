"""Frequency bands that are equally wide to the ear.

Equivalent rectangular bandwidth after B. R. Glasberg and B. C. J. Moore, "Derivation of auditory filter shapes from
notched-noise data" (1990): 9.265 ln(1 + f / 228.8455).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_EAR_Q = 9.265
_KNEE_HZ = 24.7 * 9.265


def band_widths(rate: int, fft_size: int, bands: int, minimum: int) -> list[int]:
    """Bins of each band from 0 Hz up; together `fft_size` // 2 + 1.

    A band narrower than `minimum` bins takes what it lacks from the next one.
    """
    top = _EAR_Q * math.log1p(rate / 2 / _KNEE_HZ)
    widths: list[int] = []
    previous = borrowed = 0
    for band in range(1, bands + 1):
        edge_hz = _KNEE_HZ * math.expm1(top * band / bands / _EAR_Q)
        # Half up, as the reference does; Python's round goes to even.
        edge = math.floor(edge_hz * fft_size / rate + 0.5)
        width = edge - previous - borrowed
        borrowed = max(0, minimum - width)
        widths.append(max(width, minimum))
        previous = edge
    widths[-1] += fft_size // 2 + 1 - sum(widths)
    return widths


def band_matrix(widths: list[int]) -> NDArray[np.float32]:
    """Which bins belong to which band: ones and zeros of shape (bins, bands)."""
    return np.repeat(np.eye(len(widths), dtype=np.float32), widths, axis=0)
