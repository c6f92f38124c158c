"""Is the denoiser exact here? Answered without the published implementation and without its weights.

Two models of made-up weights, and what the published `enhance()` makes of half a second with them, are compared with
what the runtime gives on this machine and device. `tools/denoise_goldens.py` writes the files.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from server.audio.frame import Samples
from server.bench.voice import babble
from server.inference.deepfilter.madeup import made_up

FOLDER = Path(__file__).with_name("goldens")
SECONDS = 0.5


def clip() -> Samples:
    """What is denoised: a made-up voice in noise."""
    voice = babble(SECONDS, 3)
    noisy: Samples = (voice + np.random.default_rng(3).normal(0.0, 0.02, len(voice))).astype(np.float32)
    return noisy


def difference(model: str, device: str = "cpu", runtime: str = "auto") -> float:
    """Largest difference from what the published implementation gave, with full scale 1."""
    expected = np.load(FOLDER / f"{model}.npy")
    return float(np.abs(made_up(model, device, runtime=runtime).whole(clip()) - expected).max())
