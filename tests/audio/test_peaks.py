"""Outlines of recordings."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.audio.ogg import OggError, OggOpusWriter
from server.audio.opus import OpusEncoder
from server.audio.peaks import PauseMeter, PeakMeter, decode_file, file_peaks


def recording(seconds: int) -> tuple[bytes, list[int]]:
    """Loud and silent seconds in turns, and where its pages begin."""
    encoder = OpusEncoder()
    writer = OggOpusWriter(encoder.lookahead, 1)
    time = np.arange(960) / 48_000
    loud = (0.5 * np.sin(2 * np.pi * 500 * time)).astype(np.float32)
    data = writer.header()
    starts = []
    for i in range(seconds * 50):
        writer.packet(encoder.encode(loud if i // 50 % 2 == 0 else np.zeros(960, np.float32)))
        if i % 20 == 19:
            starts.append(len(data))
            data += writer.page()
    return data + writer.close(seconds * 48_000), starts


def test_the_outline_shows_what_was_said_when() -> None:
    data, _ = recording(6)
    peaks = file_peaks(io.BytesIO(data), limit=100)
    assert peaks.step * len(peaks.values) >= 6 * 48_000 > peaks.step * (len(peaks.values) - 1)
    for i, value in enumerate(peaks.values):
        second = (i + 0.5) * peaks.step_seconds
        if 0.15 < second % 1 < 0.85:
            assert (0.4 < value < 0.7) if int(second) % 2 == 0 else value < 0.05


def test_decoding_gives_the_whole_duration_even_with_damage() -> None:
    data, starts = recording(4)
    assert sum(map(len, decode_file(io.BytesIO(data)))) == 4 * 48_000
    broken = bytearray(data)
    broken[starts[4] + 60] ^= 1
    assert sum(map(len, decode_file(io.BytesIO(bytes(broken))))) == 4 * 48_000


def test_what_is_no_file_is_refused() -> None:
    with pytest.raises(OggError):
        file_peaks(io.BytesIO(b"nothing"))


@settings(deadline=None)
@given(st.lists(st.integers(0, 5000), max_size=40), st.integers(2, 40))
def test_steps_stay_within_the_limit_and_miss_nothing(cuts: list[int], limit: int) -> None:
    meter = PeakMeter(limit)
    audio = np.random.default_rng(len(cuts)).uniform(-1, 1, sum(cuts)).astype(np.float32)
    at = 0
    for cut in cuts:
        meter.push(audio[at : at + cut])
        at += cut
    peaks = meter.peaks()
    assert len(peaks.values) <= limit
    assert len(peaks.values) == -(-len(audio) // peaks.step)
    for i, value in enumerate(peaks.values):
        assert value == pytest.approx(np.abs(audio[i * peaks.step : (i + 1) * peaks.step]).max(), abs=1e-4)


def test_a_limit_below_two_is_refused() -> None:
    with pytest.raises(ValueError):
        PeakMeter(1)


def test_pauses_are_found_whatever_the_level_of_speech_and_room() -> None:
    noise = np.random.default_rng(5).standard_normal(12 * 48_000).astype(np.float32)
    speaks = np.repeat([1, 0, 0, 1, 1, 0, 1, 0, 0, 0, 1, 1], 48_000).astype(bool)
    speaks[int(5.2 * 48_000) : int(5.7 * 48_000)] = True  # a pause with a word in it is two breaths
    for loud, room in ((0.2, 0.001), (0.02, 0.0002), (0.2, 0.0)):
        meter = PauseMeter()
        for part in np.array_split(np.where(speaks, loud, room) * noise, 777):
            meter.push(part.astype(np.float32))
        assert meter.pauses() == ((1.0, 3.0), (7.0, 10.0))


def test_noise_that_never_stops_has_no_pauses() -> None:
    meter = PauseMeter()
    meter.push((0.05 * np.random.default_rng(5).standard_normal(5 * 48_000)).astype(np.float32))
    assert meter.pauses() == ()
    assert PauseMeter().pauses() == ()
