"""How long the real denoiser takes for a hop, by the number of streams: `python -m server.doctor.headroom`.

Reads a JSON object of settings on stdin and prints one with the figures, or with `error`.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from server.bench.denoise import streams_in_real_time
from server.clock import HOP
from server.errors import ClearcastError, Unavailable
from server.inference.denoiser import RNNOISE_NAME, Denoiser, load_denoiser

SIZES = (1, 4, 16, 64, 256)
HOPS = 60
WARM = 10
LIMIT_S = 0.015
"""A size whose hops take longer ends the run: larger ones would take longer still."""


def load(asked: dict[str, Any]) -> Denoiser:
    """The denoiser as the server would load it."""
    folder = Path(asked["folders"][0]) if asked["folders"] else None
    engine = asked["denoise"] if folder is not None else RNNOISE_NAME
    options = {"threads": asked["denoise_threads"], "capacity": max(SIZES)}
    try:
        return load_denoiser(engine, folder, asked["denoise_device"], **options)
    except (RuntimeError, Unavailable):  # as the worker does: torch raises the first for every failure of a device
        if asked["denoise_device"] == "cpu":
            raise
        return load_denoiser(engine, folder, "cpu", **options)


def measure(denoiser: Denoiser) -> dict[str, Any]:
    """95th percentiles by batch size, and what follows from them."""
    random = np.random.default_rng(0)
    slots = [denoiser.add() for _ in range(min(max(SIZES), denoiser.capacity))]
    p95: dict[int, float] = {}
    for size in (size for size in SIZES if size <= len(slots)):
        took = []
        for number in range(WARM + HOPS):
            hops = random.normal(0, 0.05, (size, HOP)).astype(np.float32)
            began = time.perf_counter()
            denoiser.step(slots[:size], hops)
            if number >= WARM:
                took.append(time.perf_counter() - began)
        p95[size] = float(np.percentile(took, 95))
        if p95[size] > LIMIT_S:
            break
    streams = streams_in_real_time({size: 1e6 * value for size, value in p95.items()}) if len(p95) > 1 else 0
    return {
        "engine": denoiser.name,
        "device": denoiser.device,
        "streams": streams,
        "p95_ms": {str(size): 1e3 * value for size, value in p95.items()},
    }


def main() -> int:
    """Measure and print."""
    asked = json.loads(sys.stdin.read())
    with contextlib.redirect_stdout(sys.stderr):
        try:
            result = measure(load(asked))
        except ClearcastError as error:
            result = {"error": error.message}
    sys.stdout.write(json.dumps(result) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
