"""Small things that the tests of the denoise worker share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from server.audio.frame import Samples
from server.clock import HOP
from server.config import Settings
from server.inference.lane import DenoiseLane, DenoiseService

SCRIPTED = "tests.inference.scripted:load"


def hop(value: float) -> Samples:
    """480 samples of one value."""
    return np.full(HOP, value, np.float32)


def offline(folder: Path, **changes: object) -> Settings:
    """Settings that find models only in `folder` and fetch nothing."""
    values: dict[str, object] = {"models_dir": folder, "models_download": False, "denoise_streams": 8}
    return Settings(**{**values, **changes})  # type: ignore[arg-type]


def install(folder: Path, name: str = "DeepFilterNet3", config: str = "fine") -> Path:
    """Something that looks like a model's folder."""
    (folder / name / "checkpoints").mkdir(parents=True)
    (folder / name / "config.ini").write_text(config)
    (folder / name / "checkpoints" / "model_1.ckpt").write_text("weights")
    return folder


async def until(condition: Callable[[], bool], timeout: float = 30.0) -> float:
    """Wait for `condition`; returns how long it took, fails after `timeout` seconds."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < timeout, "it did not happen in time"
        await asyncio.sleep(0.005)
    return time.monotonic() - began


async def talk(service: DenoiseService, lane: DenoiseLane, first: int, count: int) -> list[tuple[int, Samples]]:
    """Submit `count` hops, each of the value of its index + 1; returns the answers.

    After the first answer each hop is followed by the next as soon as it is answered: at the pace of this machine,
    whatever that is. One that a busy machine let go stale is not waited for.
    """
    answers: list[tuple[int, Samples]] = []
    for index in range(first, first + count):
        lane.submit(index, hop(index + 1))
        service.flush()
        limit = time.monotonic() + (1.0 if answers else 0.02)
        while not (new := lane.collect()) and time.monotonic() < limit:
            await asyncio.sleep(0.002)
        answers += new
    return answers
