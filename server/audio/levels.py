"""How loud audio is."""

from __future__ import annotations

import math

import numpy as np

from server.audio.frame import Samples

FLOOR_DBFS = -120.0
"""What digital silence is called, and what is no number."""


def decibels(power: float) -> float:
    """A mean square, that of a square wave at full scale being 1.0, in dBFS; never below -120."""
    return max(FLOOR_DBFS, 10.0 * math.log10(power)) if power > 0.0 else FLOOR_DBFS


def rms_dbfs(samples: Samples) -> float:
    """RMS in dBFS: a sine at full scale has -3.01. -120 for nothing."""
    return decibels(float(np.dot(samples, samples)) / samples.size) if samples.size else FLOOR_DBFS
