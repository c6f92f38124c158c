"""Sound for measuring where no recording is at hand."""

from __future__ import annotations

import numpy as np

from server.audio.frame import Samples
from server.clock import SAMPLE_RATE


def babble(seconds: float, seed: int = 7) -> Samples:
    """What an encoder takes for speech: voiced syllables of changing pitch over a little noise, mono 48 kHz."""
    random = np.random.default_rng(seed)
    count = max(1, int(seconds * SAMPLE_RATE))
    time = np.arange(count) / SAMPLE_RATE
    pitch = 120 + 30 * np.sin(2 * np.pi * 0.7 * time) + 10 * np.sin(2 * np.pi * 2.3 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    voice = sum(np.sin(harmonic * phase) / harmonic for harmonic in range(1, 25))
    syllables = np.clip(np.sin(2 * np.pi * 3.1 * time) + 0.3, 0, 1)
    sound = 0.15 * voice * syllables + 0.01 * random.standard_normal(count)
    clipped: Samples = np.clip(sound, -1, 1).astype(np.float32)
    return clipped
