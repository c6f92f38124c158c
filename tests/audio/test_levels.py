from __future__ import annotations

import numpy as np
import pytest

from server.audio.levels import FLOOR_DBFS, decibels, rms_dbfs


def test_levels_are_those_of_the_textbook() -> None:
    sine = np.sin(2 * np.pi * 1000 * np.arange(48_000) / 48_000).astype(np.float32)
    assert rms_dbfs(sine) == pytest.approx(-3.01, abs=0.01)
    assert rms_dbfs(sine / 10) == pytest.approx(-23.01, abs=0.01)
    assert decibels(1.0) == 0.0


def test_silence_and_what_is_no_number_have_a_level() -> None:
    assert rms_dbfs(np.zeros(480, np.float32)) == rms_dbfs(np.zeros(0, np.float32)) == FLOOR_DBFS
    assert decibels(float("nan")) == decibels(1e-30) == FLOOR_DBFS
