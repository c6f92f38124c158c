"""What every denoiser can do, and the one way to get one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from server.errors import ModelMissing

DEEPFILTER_NAMES = ("DeepFilterNet3", "DeepFilterNet2")
"""Models of `server.inference.deepfilter`."""

RNNOISE_NAME = "RNNoise"


class Denoiser(Protocol):
    """Takes the noise out of many streams at once, one hop of 10 ms after the other.

    Each stream has a slot that remembers what was heard so far. Not safe for use from several threads at once.
    """

    @property
    def name(self) -> str:
        """The model: "DeepFilterNet3", "DeepFilterNet2" or "RNNoise"."""
        ...

    @property
    def device(self) -> str:
        """Where it runs: "cpu", "cuda:0"."""
        ...

    @property
    def delay(self) -> int:
        """How far the output lies behind the input, in samples; a multiple of 480."""
        ...

    @property
    def capacity(self) -> int:
        """Most slots in use at once."""
        ...

    @property
    def runtime(self) -> str:
        """How it is run: "torch.jit", "CUDA graphs", "librnnoise"."""
        ...

    @property
    def broken(self) -> Sequence[int]:
        """Slots that were reset in the last step because what came out of them was not finite."""
        ...

    def add(self) -> int:
        """A fresh slot. Raises Unavailable when all are taken."""
        ...

    def reset(self, slot: int) -> None:
        """Forget what the slot has heard; its next hop is the first of a new piece of audio."""
        ...

    def remove(self, slot: int) -> None:
        """Give the slot back."""
        ...

    def post_filter(self, slot: int, on: bool) -> None:
        """Whether what is left of the slot's noise is attenuated a little more; for engines that can."""
        ...

    def step(self, slots: Sequence[int], hops: NDArray[np.float32]) -> NDArray[np.float32]:
        """Advance some slots, each named at most once, by one hop; the others stay as they are.

        `hops` has shape (len(slots), 480), mono at 48 kHz in [-1, 1]. Returns the clean audio in the same shape,
        always finite, `delay` samples behind. A sample that is not a number is heard as silence.
        """
        ...


def load_denoiser(
    name: str,
    model_dir: Path | None,
    device: str = "auto",
    threads: int = 1,
    capacity: int = 64,
    delay: int | None = None,
    levelling: bool = False,
    runtime: str = "auto",
) -> Denoiser:
    """Load a model.

    `model_dir` holds its files (`config.ini`, `checkpoints/`); RNNoise brings its own. `device` is "auto", "cpu" or
    "cuda". `threads` are this process's processor threads for it. `delay` pads RNNoise's output to as many samples
    behind the input, so that it can stand in for another model; DeepFilterNet's delay is its own, and only it knows
    `levelling` and `runtime` (see `load_deepfilter`).
    Raises ModelMissing, ModelCorrupt, and Unavailable when there is no such device.
    """
    if name == RNNOISE_NAME:
        from server.inference.rnnoise import DEFAULT_DELAY, RNNoiseDenoiser

        return RNNoiseDenoiser(capacity=capacity, delay=DEFAULT_DELAY if delay is None else delay)
    if name not in DEEPFILTER_NAMES:
        raise ModelMissing(f"There is no denoiser {name!r}; choose {', '.join(DEEPFILTER_NAMES)} or {RNNOISE_NAME}.")
    if model_dir is None:
        raise ModelMissing(f"{name} is not installed. `clearcast models pull {name}` fetches it.")
    from server.inference.deepfilter.runtime import load_deepfilter

    return load_deepfilter(name, model_dir, device, threads, capacity, levelling, runtime)
