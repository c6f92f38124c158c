"""Loudness by EBU R128, against signals whose loudness is known (EBU Tech 3341, ITU-R BS.1770)."""

from __future__ import annotations

import numpy as np
import pytest

from server.audio.frame import Samples
from server.clock import SAMPLE_RATE
from server.recordings.facts import Loudness
from server.recordings.loudness import LoudnessMeter

PIECE = 960


def sine(dbfs: float, seconds: float, hertz: float = 1000.0, phase: float = 0.0) -> Samples:
    """A tone whose peaks lie at `dbfs`."""
    turn = 2 * np.pi * hertz * np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (10 ** (dbfs / 20) * np.sin(turn + phase)).astype(np.float32)


def stereo(samples: Samples) -> Samples:
    return np.stack([samples, samples], axis=1)


def measured(samples: Samples) -> Loudness:
    meter = LoudnessMeter(1 if samples.ndim == 1 else 2)
    for start in range(0, len(samples), PIECE):
        meter.push(samples[start : start + PIECE])
    return meter.loudness()


@pytest.mark.parametrize("level", [-23.0, -33.0])
def test_a_tone_on_both_channels_is_as_loud_as_its_peaks_say(level: float) -> None:
    """EBU Tech 3341, cases 1 and 2: within 0.1 LU."""
    assert measured(stereo(sine(level, 20.0))).integrated_lufs == pytest.approx(level, abs=0.11)


def test_what_lies_below_the_gate_does_not_count() -> None:
    """EBU Tech 3341, cases 3 and 4."""
    parts = [sine(-36.0, 10.0), sine(-23.0, 60.0), sine(-36.0, 10.0)]
    assert measured(stereo(np.concatenate(parts))).integrated_lufs == pytest.approx(-23.0, abs=0.11)
    parts = [sine(-72.0, 10.0), *parts, sine(-72.0, 10.0)]
    assert measured(stereo(np.concatenate(parts))).integrated_lufs == pytest.approx(-23.0, abs=0.11)


def test_one_channel_is_measured_as_one() -> None:
    assert measured(sine(-23.0, 20.0)).integrated_lufs == pytest.approx(-26.0, abs=0.11)
    assert measured(sine(-23.0, 20.01)).integrated_lufs == pytest.approx(-26.0, abs=0.11)  # no whole number of blocks


@pytest.mark.parametrize(("first", "second", "range_lu"), [(-20.0, -30.0, 10.0), (-20.0, -15.0, 5.0)])
def test_the_loudness_range_is_what_lies_between_two_levels(first: float, second: float, range_lu: float) -> None:
    """EBU Tech 3342, cases 1 and 2: within 1 LU."""
    found = measured(stereo(np.concatenate([sine(first, 20.0), sine(second, 20.0)])))
    assert found.range_lu == pytest.approx(range_lu, abs=1.0)


def test_the_true_peak_lies_between_the_samples() -> None:
    """EBU Tech 3341, case 18: a quarter of the rate at 45 degrees, whose samples are 3 dB below its peaks."""
    samples = sine(-6.0, 2.0, hertz=SAMPLE_RATE / 4, phase=np.pi / 4)
    edge = np.minimum(1.0, np.arange(len(samples)) / 4800)  # an edge would ring, and be a peak itself
    samples = (samples * edge * edge[::-1]).astype(np.float32)
    assert 20 * np.log10(np.abs(samples).max()) == pytest.approx(-9.0, abs=0.1)
    peak = measured(stereo(samples)).true_peak_dbtp
    assert peak is not None and -6.4 <= peak <= -5.8


def test_silence_has_no_loudness() -> None:
    assert measured(np.zeros(5 * SAMPLE_RATE, np.float32)) == Loudness(None, None, None)
    assert measured(np.zeros(0, np.float32)) == Loudness(None, None, None)
