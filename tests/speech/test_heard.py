"""The ear: 16 kHz on the stream's own timeline, to the last bit the same however audio comes."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from server.audio.frame import AudioFrame
from server.clock import SAMPLE_RATE
from server.speech.heard import Ear, Heard, HeardBuffer

START = 7_000_001
NOISE = np.random.default_rng(5).normal(0, 0.1, 20_000).astype(np.float32)


def listen(cuts: list[int]) -> list[Heard]:
    ear = Ear()
    edges = [0, *sorted(set(cuts)), len(NOISE)]
    pieces = [ear.push(AudioFrame(START + a, NOISE[a:b])) for a, b in itertools.pairwise(edges)]
    return [*pieces, ear.flush()]


@given(st.lists(st.integers(1, len(NOISE) - 1), max_size=12))
@settings(max_examples=30, deadline=None)
def test_not_a_bit_depends_on_how_audio_is_cut(cuts: list[int]) -> None:
    pieces = listen(cuts)
    assert all(before.end == after.start for before, after in itertools.pairwise(pieces))
    np.testing.assert_array_equal(
        np.concatenate([piece.samples for piece in pieces]), np.concatenate([piece.samples for piece in listen([])])
    )


def test_a_click_is_heard_where_it_was() -> None:
    samples = np.zeros(SAMPLE_RATE, np.float32)
    samples[30_000] = 1.0
    ear = Ear()
    buffer = HeardBuffer()
    buffer.append(ear.push(AudioFrame(START, samples)))
    buffer.append(ear.flush())
    assert buffer.end == START + SAMPLE_RATE
    heard = buffer.between(START, buffer.end)
    assert START + 3 * int(np.argmax(np.abs(heard))) == START + 30_000
    buffer.forget(START + 24_000)
    assert buffer.start == START + 24_000
    np.testing.assert_array_equal(buffer.between(START + 24_000, buffer.end), heard[8000:])
