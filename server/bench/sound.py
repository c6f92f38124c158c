"""Sound files for measuring, read and compared with numpy alone."""

from __future__ import annotations

import os
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from server.audio.frame import Samples
from server.bench.voice import babble
from server.clock import SAMPLE_RATE
from server.errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class Clip:
    """Something to denoise, and what should come out of it where that is known; both (n,), mono, 48 kHz."""

    name: str
    noisy: Samples
    clean: Samples | None


def read_wav(path: Path) -> Samples:
    """A mono WAV file of 16 bits at 48 kHz. Raises InvalidRequest for anything else."""
    try:
        with wave.open(str(path), "rb") as file:
            form = (file.getframerate(), file.getnchannels(), file.getsampwidth())
            data = file.readframes(file.getnframes())
    except (OSError, EOFError, wave.Error) as error:
        raise InvalidRequest(f"{path} cannot be read as a WAV file: {error}.") from error
    if form != (SAMPLE_RATE, 1, 2):
        raise InvalidRequest(f"{path} must be mono, 48 kHz, 16 bits.")
    return np.frombuffer(data, dtype="<i2").astype(np.float32) / np.float32(32_768.0)


def find_clip(path: Path | None = None) -> Clip:
    """The file given, else the noisy test clip in CLEARCAST_CLIPS_DIR, else made-up speech in noise."""
    if path is not None:
        return Clip(path.name, read_wav(path), None)
    folder = os.environ.get("CLEARCAST_CLIPS_DIR")
    if folder and (noisy := Path(folder) / "denoise" / "noisy_snr0.wav").exists():
        clean = noisy.with_name("clean_freesound_33711.wav")
        return Clip(noisy.name, read_wav(noisy), read_wav(clean) if clean.exists() else None)
    speech = babble(10.0)
    noise = np.random.default_rng(1).normal(0.0, 0.03, len(speech)).astype(np.float32)
    return Clip("made-up speech", speech + noise, speech)


def looped(samples: Samples, seconds: float) -> Samples:
    """The samples over and over until there are `seconds`."""
    count = int(seconds * SAMPLE_RATE)
    return np.tile(samples, -(-count // len(samples)))[:count]


def si_sdr(reference: Samples, estimate: Samples) -> float:
    """Scale-invariant signal-to-distortion ratio in dB (J. Le Roux et al., "SDR – half-baked or well done?", 2019)."""
    count = min(len(reference), len(estimate))
    target, heard = (signal[:count].astype(np.float64) for signal in (reference, estimate))
    target = target - target.mean()
    heard = heard - heard.mean()
    wanted = target * (heard @ target / (target @ target))
    rest = heard - wanted
    return float(10.0 * np.log10((wanted @ wanted) / (rest @ rest)))
