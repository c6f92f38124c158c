"""Where a denoiser does harm: the first seconds of a stream, and quiet talkers."""

from __future__ import annotations

import os
import statistics
import wave
from pathlib import Path

import numpy as np

from server.audio.frame import AudioFrame, Samples
from server.audio.resample import resample
from server.bench.sound import si_sdr
from server.clock import HOP, SAMPLE_RATE
from server.inference.denoiser import Denoiser
from server.speech.denoise import DenoiseMixer

QUIETER_DB = (-20, -30)
FIRST = 2 * SAMPLE_RATE

Pair = tuple[str, Samples, Samples]
"""Name, noisy, clean."""


def pairs() -> list[Pair]:
    """The noisy clips in CLEARCAST_CLIPS_DIR of which the clean speech is known; none without."""
    folder = Path(os.environ.get("CLEARCAST_CLIPS_DIR", "")) / "denoise"
    found = [(path, path.with_name(path.name.replace(".noisy.", ".clean."))) for path in folder.glob("*.noisy.wav")]
    found += [(folder / "noisy_snr0.wav", folder / "clean_freesound_33711.wav")]
    return [
        (noisy.name.split(".")[0], _read(noisy), _read(clean))
        for noisy, clean in sorted(found)
        if noisy.exists() and clean.exists()
    ]


def _read(path: Path) -> Samples:
    with wave.open(str(path), "rb") as file:
        rate = file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / np.float32(32_768.0)
    return samples if rate == SAMPLE_RATE else resample(samples, rate, SAMPLE_RATE)


def streamed(denoiser: Denoiser, sounds: list[Samples], served: bool) -> list[Samples]:
    """What comes of each, aligned; `served`: as listeners get it, first words kept."""
    hops = -(-max(map(len, sounds)) // HOP)
    padded = np.zeros((hops + denoiser.delay // HOP, len(sounds), HOP), np.float32)
    for row, sound in enumerate(sounds):
        whole = np.zeros(hops * HOP, np.float32)
        whole[: len(sound)] = sound
        padded[:hops, row] = whole.reshape(hops, HOP)
    slots = [denoiser.add() for _ in sounds]
    clean = np.stack([denoiser.step(slots, hop) for hop in padded])
    for slot in slots:
        denoiser.remove(slot)
    outs = [
        _served(padded[:, row], clean[:, row], denoiser.delay) if served else clean[:, row] for row in range(len(slots))
    ]
    return [out.reshape(-1)[denoiser.delay :][: len(sound)] for out, sound in zip(outs, sounds, strict=True)]


def _served(raw: Samples, clean: Samples, delay: int) -> Samples:
    mixer = DenoiseMixer(delay, 1, keep_first_words=True)
    out = np.zeros_like(raw)
    for number, (hop, answer) in enumerate(zip(raw, clean, strict=True)):
        index = mixer.push_raw(AudioFrame(number * HOP, hop))
        mixer.push_clean(index, answer)
        if (frame := mixer.pull()) is not None:
            out[frame.start // HOP + delay // HOP] = frame.samples
    return out


def measure(plain: Denoiser, ours: Denoiser) -> dict[str, object]:
    """SI-SDR of the first two seconds by clip, and what becomes of the same speech when it is quieter.

    `plain` is the published model, `ours` levels; both need room for all clips at all levels.
    """
    clips = pairs()
    if not clips:
        return {"first_2s_si_sdr": None, "quiet": None}
    levels = (0, *QUIETER_DB)
    gains = [np.float32(10 ** (db / 20)) for db in levels]
    sounds = [noisy * gain for _, noisy, _ in clips for gain in gains]
    outs = {"plain": streamed(plain, sounds, False), "ours": streamed(ours, sounds, True)}
    first: dict[str, dict[str, float]] = {}
    quiet: dict[str, dict[str, list[float]]] = {f"{db} dB": {} for db in QUIETER_DB}
    for number, (name, noisy, clean) in enumerate(clips):
        at = number * len(levels)
        first[name] = {"input": si_sdr(clean[:FIRST], noisy[:FIRST])}
        for way, results in outs.items():
            first[name][way] = si_sdr(clean[:FIRST], results[at][:FIRST])
            for row, db in enumerate(levels):
                if db:
                    figures = quiet[f"{db} dB"]
                    out = results[at + row] / gains[row]
                    figures.setdefault(f"{way}_si_sdr", []).append(si_sdr(clean, out))
                    figures.setdefault(f"{way}_level_db", []).append(_level(out) - _level(results[at]))
    return {
        "first_2s_si_sdr": first,
        "quiet": {db: {name: statistics.mean(v) for name, v in figures.items()} for db, figures in quiet.items()},
    }


def _level(samples: Samples) -> float:
    return float(10 * np.log10(np.mean(np.square(samples, dtype=np.float64)) + 1e-12))
