"""The demo's sound."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from server.client.demo import NOISE_S, TALK, mix, room_noise
from server.client.media import duration_s, read_audio, read_blocks


def test_the_talk_is_bundled_and_small() -> None:
    assert TALK.stat().st_size < 2_000_000
    length = duration_s(TALK)
    assert length is not None
    assert length > 60


def test_the_noise_repeats_without_a_seam_and_falls_with_frequency() -> None:
    noise = room_noise()
    assert len(noise) == NOISE_S * 48_000
    assert np.std(noise) == pytest.approx(1.0, abs=0.01)
    steps = np.abs(np.diff(noise))
    assert abs(noise[0] - noise[-1]) <= steps.max()
    power = np.abs(np.fft.rfft(noise)) ** 2
    octaves = [power[low * NOISE_S : 2 * low * NOISE_S].sum() for low in (500, 1000, 2000, 4000)]
    assert np.allclose(octaves, octaves[0], rtol=0.2)  # equal power in each octave: 3 dB an octave
    assert power[50 * NOISE_S] > 100 * power[55 * NOISE_S]


@pytest.mark.parametrize("snr", [0.0, 10.0])
def test_the_speech_stands_out_as_far_as_asked(snr: float) -> None:
    clean = read_audio(TALK)[: 40 * 48_000]
    mixed = np.concatenate(list(mix(iter(np.array_split(clean, 80)), snr)))
    assert np.abs(mixed).max() <= 1.0
    blocks = clean.reshape(-1, 2_400)
    spoken = np.repeat(np.sqrt(np.mean(blocks**2, axis=1)) > 0.01, 2_400)
    ratio = 10 * np.log10(np.mean(clean[spoken] ** 2) / np.mean((mixed - clean) ** 2))
    assert ratio == pytest.approx(snr, abs=2.5)


def test_it_goes_on_for_ever() -> None:
    length = duration_s(TALK)
    assert length is not None
    blocks = islice(mix(read_blocks(TALK, loop=True), 5.0), round(2 * length) + 60)
    assert sum(len(block) for block in blocks) > 1.1 * length * 48_000
