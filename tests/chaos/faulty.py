"""Denoise engines that go wrong when told to, and a server in this process whose worker runs one of them.

The worker is a process like any other, found through its pid; SIGUSR1 makes the engine in it fail.
"""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np

from server.app import running
from server.audio.frame import Samples
from server.bench.local import LocalServer
from server.config import load_settings
from server.inference.denoiser import Denoiser, load_denoiser
from server.inference.service import WorkerDenoiseService

START_MARK = "FAULTY_START_MARK"
"""Variable that names a file: engines whose names stand in it do not start."""
GPU_MARK = "gpu-is-gone"


class Armed:
    """A denoiser that is itself until the process gets SIGUSR1."""

    def __init__(self, inner: Denoiser, **differences: object) -> None:
        self._inner = inner
        self._differences = differences
        self.armed = False
        signal.signal(signal.SIGUSR1, self._arm)

    def __getattr__(self, name: str) -> Any:
        return self._differences.get(name) or getattr(self._inner, name)

    def _arm(self, *_: object) -> None:
        self.armed = True

    def step(self, slots: Sequence[int], hops: Samples) -> Samples:
        if self.armed:
            self.fail(slots)
        return self._inner.step(slots, hops)

    def fail(self, slots: Sequence[int]) -> None:
        """Called before every hop once armed."""


class Poisoned(Armed):
    """The memory of its first slot is full of what is no number, however often it is reset."""

    def fail(self, slots: Sequence[int]) -> None:
        import torch

        with torch.inference_mode():
            cast(Any, self._inner)._memory[0] = float("nan")


class Dead(Armed):
    """Nothing that comes out is a number, in any slot."""

    broken: list[int] = []  # noqa: RUF012 - as the protocol has it

    def step(self, slots: Sequence[int], hops: Samples) -> Samples:
        self.broken = list(slots) if self.armed else []
        return np.zeros_like(hops) if self.armed else self._inner.step(slots, hops)


class Greedy(Armed):
    """Takes more and more memory."""

    held: list[bytearray] = []  # noqa: RUF012 - the process is its only user

    def fail(self, slots: Sequence[int]) -> None:
        self.held.append(bytearray(os.urandom(1 << 20) * 8))


class OnGpu(Armed):
    """Its device is gone, and stays away."""

    folder: Path

    def fail(self, slots: Sequence[int]) -> None:
        (self.folder / GPU_MARK).touch()
        raise RuntimeError("CUDA error: unspecified launch failure")


def rnnoise(capacity: int) -> Denoiser:
    return load_denoiser("RNNoise", None, capacity=capacity, delay=1440)


def load_poisoned(name: str, model_dir: Path, device: str, threads: int, capacity: int) -> Armed:
    return Poisoned(load_denoiser(name, model_dir, device, threads, capacity))


def load_dead(name: str, model_dir: Path, device: str, threads: int, capacity: int) -> Armed:
    return Dead(rnnoise(capacity), name=name)


def load_greedy(name: str, model_dir: Path, device: str, threads: int, capacity: int) -> Armed:
    return Greedy(rnnoise(capacity), name=name)


def load_on_gpu(name: str, model_dir: Path, device: str, threads: int, capacity: int) -> Armed:
    if device != "cpu" and (model_dir / GPU_MARK).exists():
        raise RuntimeError("CUDA error: no CUDA-capable device is detected")
    engine = OnGpu(rnnoise(capacity), name=name, device="cpu" if device == "cpu" else "cuda:0")
    engine.folder = model_dir
    return engine


def load_while_it_may(name: str, model_dir: Path | None, device: str, threads: int, capacity: int) -> Armed:
    """Ends without a word, as after a fault in a library, while the mark forbids it to start."""
    mark = Path(os.environ[START_MARK])
    if mark.exists() and name in mark.read_text():
        os.kill(os.getpid(), signal.SIGSEGV)
    return Armed(rnnoise(capacity), name=name)


@asynccontextmanager
async def faulty_server(
    tmp_path: Path, engine: str, **settings: object
) -> AsyncIterator[tuple[LocalServer, WorkerDenoiseService]]:
    """A server on real sockets in this process; its worker gets its engine from the function `engine` of this file."""
    options: dict[str, Any] = {"data_dir": tmp_path / "data", "disk_reserve_mb": 0, "models_download": False, "port": 0}
    # A busy machine is not the fault that is tested: the denoiser may take as long as may be set.
    options |= {"denoise_streams": 2, "log_level": "warning", "denoise_deadline_ms": 100}
    chosen = load_settings(**options, **settings)
    service = WorkerDenoiseService(chosen, loader=f"{__name__}:{engine}")
    async with running(chosen, denoise=service) as server:
        yield LocalServer(server.url, tmp_path / "data", cast(Any, None), tmp_path / "data.log"), service


def strike(service: WorkerDenoiseService, number: signal.Signals = signal.SIGUSR1) -> None:
    """Make the worker fail now."""
    assert service.worker_pid is not None
    os.kill(service.worker_pid, number)
