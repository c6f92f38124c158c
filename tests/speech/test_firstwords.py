"""The first words of a stream are not taken for noise, and noise is."""

from __future__ import annotations

import numpy as np

from server.audio.frame import AudioFrame, Samples
from server.clock import HOP
from server.speech.denoise import SILENT_HOPS, DenoiseMixer, DenoiseMode, dry_share
from server.speech.firstwords import LIMIT_HOPS, TRUSTED_HOPS, FirstWords


def sound(level_db: float, seed: int = 0) -> Samples:
    noise = np.random.default_rng(seed).standard_normal(HOP)
    return (noise * 10 ** (level_db / 20)).astype(np.float32)


def after_noise(hops: int = 50) -> FirstWords:
    words = FirstWords()
    for number in range(hops):
        assert words.share(sound(-50, number), sound(-80, number)) == 0.0
    return words


def test_a_burst_that_the_denoiser_takes_away_at_first_goes_out_as_it_came() -> None:
    words = after_noise()
    assert words.share(sound(-20), sound(-40)) == 1.0
    fading = [words.share(sound(-50), sound(-80)) for _ in range(80)]
    assert fading[0] == 0.9
    assert fading[-1] == 0.0


def test_a_denoiser_that_lets_speech_through_is_believed_ever_more() -> None:
    words = after_noise()
    for number in range(TRUSTED_HOPS // 2):
        assert words.share(sound(-20, number), sound(-21, number)) == 0.0
    assert words.share(sound(-15), sound(-40)) == 0.5
    for number in range(TRUSTED_HOPS):
        words.share(sound(-5, number), sound(-5, number))
    assert words.share(sound(0), sound(-40)) < 0.1
    for _ in range(80):
        words.share(sound(-50), sound(-80))
    assert words.over


def test_after_three_seconds_it_is_believed_in_any_case() -> None:
    words = after_noise(LIMIT_HOPS)
    assert words.over
    assert words.share(sound(-10), sound(-60)) == 0.0


def test_steady_noise_is_no_burst_however_loud() -> None:
    words = FirstWords()
    assert not any(words.share(sound(-10, number), sound(-50, number)) for number in range(200))


def play(mixer: DenoiseMixer, raw: list[Samples], gain: float) -> Samples:
    out = []
    for number, hop in enumerate(raw):
        mixer.push_clean(mixer.push_raw(AudioFrame(number * HOP, hop)), hop * np.float32(gain))
        if (frame := mixer.pull()) is not None:
            out.append(frame.samples)
    return np.concatenate(out)


def test_the_mixer_keeps_first_words_after_each_long_silence_anew() -> None:
    noise, word, nothing = [sound(-50)] * 350, [sound(-20, 1)] * 10, [np.zeros(HOP, np.float32)] * SILENT_HOPS
    raw = noise + word + nothing + noise[:50] + word + noise[:10]
    out = play(DenoiseMixer(0, 1, keep_first_words=True), raw, 0.1)
    first, second = 350 * HOP, (350 + 10 + SILENT_HOPS + 50) * HOP
    assert np.allclose(out[first + HOP : first + 2 * HOP], 0.1 * word[0])
    assert np.allclose(out[second + HOP : second + 2 * HOP], word[0])


def test_strength_mixes_the_original_back_and_moves_without_a_step() -> None:
    mixer = DenoiseMixer(0, 1, DenoiseMode.ACTIVE, strength=1.0)
    flat = np.full(HOP, 0.5, np.float32)
    heard = []
    for number in range(40):
        mixer.strength = 1.0 if number < 20 else 0.3
        mixer.push_clean(mixer.push_raw(AudioFrame(number * HOP, flat)), flat * 0)
        if (frame := mixer.pull()) is not None:
            heard.append(frame.samples)
    out = np.concatenate(heard)
    assert not out[: 18 * HOP].any()
    assert np.allclose(out[-HOP:], 0.5 * dry_share(0.3))
    assert np.abs(np.diff(out)).max() < 0.001


def test_strength_is_a_limit_of_attenuation() -> None:
    assert (dry_share(0.0), dry_share(1.0)) == (1.0, 0.0)
    assert np.isclose(20 * np.log10(dry_share(0.5)), -20.0)
