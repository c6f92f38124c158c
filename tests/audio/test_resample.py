"""Rates changed without moving, colouring or losing anything."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from server.audio.resample import StreamResampler, VariableResampler, resample


def sine(frequency: float, rate: float, count: int) -> NDArray[np.float32]:
    return (0.5 * np.sin(2 * np.pi * frequency * np.arange(count) / rate)).astype(np.float32)


def snr(reference: NDArray[np.float32], got: NDArray[np.float32]) -> float:
    a, b = reference.astype(float), got.astype(float)
    return float(10 * np.log10((a @ a) / ((a - b) @ (a - b) + 1e-30)))


@pytest.mark.parametrize(
    ("rate_in", "rate_out"),
    [(48_000, 16_000), (16_000, 48_000), (8_000, 48_000), (44_100, 48_000), (48_000, 44_100), (96_000, 48_000)],
)
def test_a_tone_keeps_its_place_and_shape(rate_in: int, rate_out: int) -> None:
    got = resample(sine(1000, rate_in, rate_in), rate_in, rate_out)
    assert len(got) == rate_out
    assert got.dtype == np.float32
    assert snr(sine(1000, rate_out, rate_out)[500:-500], got[500:-500]) > 80


def test_what_the_lower_rate_cannot_hold_is_gone() -> None:
    got = resample(sine(12_000, 48_000, 48_000), 48_000, 16_000)
    assert float(np.abs(got[200:-200]).max()) < 0.5 * 10 ** (-75 / 20)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.integers(0, 700), min_size=1, max_size=20),
    st.sampled_from([(48_000, 16_000), (16_000, 48_000), (44_100, 48_000), (48_000, 48_000), (48_000, 11_025)]),
)
def test_how_a_stream_is_cut_changes_nothing(cuts: list[int], rates: tuple[int, int]) -> None:
    audio = np.random.default_rng(sum(cuts)).standard_normal(sum(cuts)).astype(np.float32)
    resampler = StreamResampler(*rates)
    pieces = []
    at = 0
    for cut in cuts:
        pieces.append(resampler.push(audio[at : at + cut]))
        at += cut
    pieces.append(resampler.flush())
    got = np.concatenate(pieces)
    assert len(got) == math.ceil(len(audio) * rates[1] / rates[0])
    np.testing.assert_allclose(got, resample(audio, *rates), atol=1e-5)


def test_a_stream_waits_no_longer_than_it_says() -> None:
    resampler = StreamResampler(48_000, 16_000)
    got = resampler.push(np.zeros(4800, np.float32))
    assert len(got) == math.ceil((4800 - resampler.lookahead) / 3)
    assert resampler.lookahead < 100


def drive(rate: int, ratio: float, frequency: float, hops: int = 100) -> NDArray[np.float32]:
    """A tone through a VariableResampler, hop by hop."""
    resampler = VariableResampler(rate)
    step = rate / 48_000 * (1 + ratio)
    source = sine(frequency, rate, 2 * round(hops * 480 * step) + 200)
    at = 0
    out = []
    for _ in range(hops):
        missing = resampler.missing(480, step)
        resampler.put(source[at : at + missing])
        at += missing
        out.append(resampler.take(480, step))
    return np.concatenate(out)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("ratio", [0.0, 5e-6, 200e-6, -200e-6, 1000e-6, -1000e-6])
def test_a_varied_ratio_is_as_clean_as_16_bits(rate: int, ratio: float) -> None:
    got = drive(rate, ratio, 1000)
    step = rate / 48_000 * (1 + ratio)
    expected = (0.5 * np.sin(2 * np.pi * 1000 * np.arange(len(got)) * step / rate)).astype(np.float32)
    assert snr(expected[1000:], got[1000:]) > 85


@pytest.mark.parametrize("frequency", [4000, 8000, 12_000, 16_000, 20_000])
def test_high_notes_survive_a_drift(frequency: int) -> None:
    got = drive(48_000, 200e-6, frequency)
    expected = (0.5 * np.sin(2 * np.pi * frequency * np.arange(len(got)) * 1.0002 / 48_000)).astype(np.float32)
    assert snr(expected[1000:], got[1000:]) > 65


def test_a_changing_ratio_leaves_no_seam() -> None:
    resampler = VariableResampler(48_000)
    source = sine(997, 48_000, 200_000)
    rng = np.random.default_rng(5)
    at = 0
    position = 0.0
    for _ in range(300):
        step = 1.0 + float(rng.choice([0.0, 3e-6, 1e-4, -1e-3, 1e-3]))
        missing = resampler.missing(480, step)
        resampler.put(source[at : at + missing])
        at += missing
        got = resampler.take(480, step)
        expected = 0.5 * np.sin(2 * np.pi * 997 / 48_000 * (position + np.arange(480) * step))
        position += 480 * step
        if position > 2000:
            assert float(np.abs(got - expected).max()) < 1e-4


def test_a_ratio_of_one_does_not_touch_the_samples() -> None:
    noise = np.random.default_rng(0).standard_normal(4800).astype(np.float32)
    resampler = VariableResampler(48_000)
    resampler.put(noise)
    np.testing.assert_array_equal(np.concatenate([resampler.take(480, 1.0) for _ in range(9)]), noise[:4320])


def test_a_rate_is_positive() -> None:
    with pytest.raises(ValueError):
        StreamResampler(0, 48_000)
