"""A denoiser without a model, for the worker: a delay line, with faults that the audio itself asks for."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from server.audio.frame import Samples
from server.clock import HOP
from server.errors import ModelCorrupt

GAIN = 0.5
RAISE = 100.0
"""A hop of this value makes the engine fail."""
HANG = 200.0
"""A hop of this value makes the engine stop for ever."""
SLOW = 300.0
"""A hop of this value takes 50 ms."""


class Scripted:
    """Gives back what it heard `delay` samples ago, at half its level."""

    def __init__(self, name: str, device: str, capacity: int, delay: int) -> None:
        self.name = name
        self.device = device
        self.capacity = capacity
        self.delay = delay
        self._free = list(range(capacity))[::-1]
        self._memory = np.zeros((capacity, delay // HOP + 1, HOP), np.float32)
        self._at = 0
        self.runtime = "script"
        self.broken: list[int] = []
        self.sharp: dict[int, bool] = {}

    def add(self) -> int:
        slot = self._free.pop()
        self.reset(slot)
        return slot

    def reset(self, slot: int) -> None:
        self._memory[slot] = 0

    def remove(self, slot: int) -> None:
        assert slot not in self._free
        self._free.append(slot)

    def post_filter(self, slot: int, on: bool) -> None:
        self.sharp[slot] = on

    def step(self, slots: Sequence[int], hops: Samples) -> Samples:
        assert len(set(slots)) == len(slots)
        asked = set(hops[:, 0].tolist())
        if RAISE in asked:
            raise RuntimeError("the model failed")
        if HANG in asked:
            time.sleep(1e6)
        if SLOW in asked:
            time.sleep(0.05)
        memory = self._memory[list(slots)]
        memory = np.concatenate([memory[:, 1:], hops[:, None]], axis=1)
        self._memory[list(slots)] = memory
        clean: Samples = memory[:, 0] * np.float32(GAIN)
        return clean


def load(name: str, model_dir: Path | None, device: str, threads: int, capacity: int) -> Scripted:
    """Like `load_denoiser`: a folder whose config.ini says "broken" is a damaged model."""
    if model_dir is not None and (model_dir / "config.ini").read_text() == "broken":
        raise ModelCorrupt(f"{name} is damaged.")
    return Scripted(name, "cpu", capacity, 960 if name == "RNNoise" else 1440)


def load_on_gpu(name: str, model_dir: Path | None, device: str, threads: int, capacity: int) -> Scripted:
    """Every device but the processor is out of memory."""
    if device != "cpu":
        raise RuntimeError("CUDA out of memory")
    return load(name, model_dir, device, threads, capacity)


def load_on_failing_gpu(name: str, model_dir: Path | None, device: str, threads: int, capacity: int) -> Scripted:
    """A GPU that works until it is made to fail."""
    return Scripted(name, "cpu" if device == "cpu" else "cuda:0", capacity, 1440)


def load_never(name: str, model_dir: Path | None, device: str, threads: int, capacity: int) -> Scripted:
    raise RuntimeError("no such engine")


class PassThrough(Scripted):
    """No delay, no work: what is left is the exchange."""

    def step(self, slots: Sequence[int], hops: Samples) -> Samples:
        return hops


def load_pass_through(name: str, model_dir: Path | None, device: str, threads: int, capacity: int) -> PassThrough:
    return PassThrough(name, "cpu", capacity, 0)
