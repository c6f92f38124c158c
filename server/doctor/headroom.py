"""How long the real denoiser takes for a hop, and how many streams that makes: `python -m server.doctor.headroom`.

Reads a JSON object of settings on stdin and prints one with the figures, or with `error`. What is measured is what the
server measures at its start to know how many streams it admits.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import sys
from pathlib import Path
from typing import Any

import numpy as np

from server.errors import ClearcastError, Unavailable
from server.inference.denoiser import RNNOISE_NAME, Denoiser, load_denoiser
from server.inference.headroom import HOP_S, RESERVE, step_durations, streams_in_real_time

ALONE_S = 0.5
"""Time spent on one stream alone, seconds."""


def load(asked: dict[str, Any]) -> Denoiser:
    """The denoiser as the server would load it."""
    folder = Path(asked["folders"][0]) if asked["folders"] else None
    engine = asked["denoise"] if folder is not None else RNNOISE_NAME
    options = {
        "threads": asked["denoise_threads"],
        "capacity": asked["most"],
        "levelling": asked["denoise_levelling"],
    }
    try:
        return load_denoiser(engine, folder, asked["denoise_device"], **options)
    except (RuntimeError, Unavailable):  # as the worker does: torch raises the first for every failure of a device
        if asked["denoise_device"] == "cpu":
            raise
        return load_denoiser(engine, folder, "cpu", **options)


def measure(denoiser: Denoiser, most: int) -> dict[str, Any]:
    """What a stream alone takes, and how many of at most `most` keep their deadline; 0 where not even one does."""
    alone = step_durations(denoiser, 1, ALONE_S)
    fits = RESERVE * statistics.median(alone) <= HOP_S
    return {
        "engine": denoiser.name,
        "device": denoiser.device,
        "runtime": denoiser.runtime,
        "p95_ms": 1e3 * float(np.percentile(alone, 95)),
        "streams": streams_in_real_time(denoiser, most) if fits else 0,
        "most": most,
    }


def main() -> int:
    """Measure and print."""
    asked = json.loads(sys.stdin.read())
    with contextlib.redirect_stdout(sys.stderr):
        try:
            result = measure(load(asked), asked["most"])
        except ClearcastError as error:
            result = {"error": error.message}
    sys.stdout.write(json.dumps(result) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
