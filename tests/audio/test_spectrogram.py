"""Pictures of sound: what sounds when and how high is where it belongs, whatever the length."""

from __future__ import annotations

import numpy as np
import pytest

from server.audio.frame import Samples
from server.audio.spectrogram import HEIGHT, WIDTH, SpectrogramMeter, row_of
from server.clock import SAMPLE_RATE


def tone(hertz: float, seconds: float, dbfs: float = -20.0) -> Samples:
    turn = 2 * np.pi * hertz * np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (10 ** (dbfs / 20) * np.sin(turn)).astype(np.float32)


def drawn(samples: Samples, piece: int = 960) -> np.ndarray:
    meter = SpectrogramMeter(len(samples))
    for start in range(0, len(samples), piece):
        meter.push(samples[start : start + piece])
    return meter.image()


@pytest.mark.parametrize("hertz", [100.0, 440.0, 1000.0, 6000.0, 11_500.0])
def test_a_tone_lies_in_its_row(hertz: float) -> None:
    image = drawn(tone(hertz, 2.0))
    assert abs(float(image[:, 100].argmax()) + 0.5 - row_of(hertz)) <= 4.0
    assert image[:, 100].max() > 200


def test_what_sounds_when_is_in_its_column_to_the_step() -> None:
    image = drawn(np.concatenate([np.zeros(SAMPLE_RATE, np.float32), tone(1000.0, 1.0), np.zeros(SAMPLE_RATE)]))
    assert image.shape == (HEIGHT, 300)
    loud = np.flatnonzero(image.max(axis=0) > 150)
    assert (loud[0], loud[-1]) == pytest.approx((100, 199), abs=3)
    assert image[:, :90].max() == image[:, 210:].max() == 0


def test_long_recordings_have_wider_steps_and_the_same_levels() -> None:
    short, long = drawn(tone(1000.0, 10.0)), drawn(tone(1000.0, 120.0), 48_000)
    assert long.shape == (HEIGHT, WIDTH)
    assert int(long[:, 1200].max()) == pytest.approx(int(short[:, 500].max()), abs=3)
    assert long[:, -1].max() > 200


def test_pieces_of_any_size_make_the_same_picture() -> None:
    samples = tone(700.0, 1.5) + tone(3000.0, 1.5, -50.0)
    assert (drawn(samples, 7777) == drawn(samples)).all()


def test_a_recording_of_nothing_is_a_column_of_nothing() -> None:
    assert drawn(np.zeros(0, np.float32)).shape == (HEIGHT, 1)
