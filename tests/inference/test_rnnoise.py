"""RNNoise: less noise, and exactly as late as it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from server.bench.sound import read_wav, si_sdr
from server.bench.voice import babble
from server.clock import HOP
from server.errors import Unavailable
from server.inference.denoiser import load_denoiser
from server.inference.rnnoise import OWN_DELAY, RNNoiseDenoiser


def stream(denoiser: RNNoiseDenoiser, samples: np.ndarray) -> np.ndarray:
    slot = denoiser.add()
    hops = samples[: len(samples) // HOP * HOP].reshape(-1, HOP)
    out = np.concatenate([denoiser.step([slot], hop[None])[0] for hop in hops])
    denoiser.remove(slot)
    return out


def lag_of(heard: np.ndarray, sent: np.ndarray) -> int:
    """Samples by which `heard` lies behind `sent`: the peak of the cross-correlation of their slopes.

    RNNoise begins with a high-pass filter that moves the lowest partials in time; slopes are made of higher ones.
    """
    heard, sent = np.diff(heard), np.diff(sent)
    size = 2 * len(sent)
    spectrum = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(sent, size))
    return int(np.argmax(np.fft.irfft(spectrum, size)[: len(sent)]))


@pytest.mark.parametrize("delay", [OWN_DELAY, 1440, 2400])
def test_output_lies_the_stated_delay_behind(delay: int) -> None:
    denoiser = RNNoiseDenoiser(capacity=1, delay=delay)
    assert denoiser.delay == delay
    speech = babble(3.0)
    assert lag_of(stream(denoiser, speech), speech) == delay


def test_takes_noise_out() -> None:
    speech = babble(5.0)
    noise = np.random.default_rng(1).normal(0.0, 0.1, len(speech)).astype(np.float32)
    heard = stream(RNNoiseDenoiser(), speech + noise)[1440:]
    # The first second is spent learning what the noise is like.
    settled = slice(48_000, len(heard))
    before = si_sdr(speech[settled], (speech + noise)[settled])
    assert si_sdr(speech[settled], heard[settled]) > before + 8.0


def test_takes_noise_out_of_real_speech(clips_dir: Path) -> None:
    noisy = read_wav(clips_dir / "denoise" / "noisy_snr0.wav")
    clean = read_wav(clips_dir / "denoise" / "clean_freesound_33711.wav")
    heard = stream(RNNoiseDenoiser(), noisy)[1440:]
    assert si_sdr(clean[: len(heard)], heard) > 14.5


def test_noise_alone_becomes_quiet() -> None:
    noise = np.random.default_rng(2).normal(0.0, 0.03, 3 * 48_000).astype(np.float32)
    heard = stream(RNNoiseDenoiser(), noise)[2 * 48_000 :]
    assert 20 * np.log10(heard.std() / noise.std()) < -10.0


def test_each_slot_is_for_itself() -> None:
    denoiser = RNNoiseDenoiser(capacity=3)
    pieces = [babble(0.5, seed).reshape(-1, HOP) for seed in (1, 2)]
    expected = [stream(denoiser, piece.ravel()).reshape(-1, HOP) for piece in pieces]
    gone, first, second = denoiser.add(), denoiser.add(), denoiser.add()
    outs = []
    for number, hops in enumerate(zip(*pieces, strict=True)):
        if number == 10:
            denoiser.remove(gone)
        outs.append(denoiser.step([second, first], np.stack(hops[::-1])))
    heard = np.stack(outs)
    assert np.array_equal(heard[:, 1], expected[0])
    assert np.array_equal(heard[:, 0], expected[1])


def test_reset_forgets() -> None:
    denoiser = RNNoiseDenoiser(capacity=1)
    hops = babble(0.4).reshape(-1, HOP)
    slot = denoiser.add()
    before = [denoiser.step([slot], hop[None])[0] for hop in hops]
    denoiser.reset(slot)
    after = [denoiser.step([slot], hop[None])[0] for hop in hops]
    assert np.array_equal(before, after)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 3e38])
def test_samples_that_are_no_audio_do_no_lasting_harm(bad: float) -> None:
    denoiser = RNNoiseDenoiser(capacity=1)
    slot = denoiser.add()
    hops = babble(1.0).reshape(-1, HOP).copy()
    hops[10, 100:200] = bad
    outs = np.stack([denoiser.step([slot], hop[None])[0] for hop in hops])
    assert np.isfinite(outs).all()
    assert np.abs(outs[-20:]).max() > 0.01


def test_full_and_unheld_slots() -> None:
    denoiser = RNNoiseDenoiser(capacity=1)
    slot = denoiser.add()
    with pytest.raises(Unavailable):
        denoiser.add()
    denoiser.remove(slot)
    with pytest.raises(ValueError, match="not in use"):
        denoiser.step([slot], np.zeros((1, HOP), np.float32))
    with pytest.raises(ValueError, match="delay"):
        RNNoiseDenoiser(delay=480)


def test_is_loaded_by_name_without_files() -> None:
    denoiser = load_denoiser("RNNoise", None, capacity=2)
    assert (denoiser.name, denoiser.device, denoiser.delay, denoiser.capacity) == ("RNNoise", "cpu", 1440, 2)
    assert load_denoiser("RNNoise", None, delay=2400).delay == 2400
