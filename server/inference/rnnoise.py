"""RNNoise: the denoiser that needs no download; its weights are inside the library.

J.-M. Valin, "A Hybrid DSP/Deep Learning Approach to Real-Time Full-Band Speech Enhancement" (2018). The library is
the one that the package `pyrnnoise` brings; the package itself is not imported.
"""

from __future__ import annotations

import ctypes
import importlib.util
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from server.errors import ModelCorrupt, ModelMissing
from server.inference.slots import Slots

HOP = 480
OWN_DELAY = 960
"""Samples by which the library's output lies behind its input."""

DEFAULT_DELAY = 1440
"""DeepFilterNet 3's: one can take the other's place without moving anything in time."""

_SCALE = 32_768.0
"""The library hears samples in the range of 16-bit integers."""

_LOUDEST = 16.0
"""Samples beyond ±16 (24 dB over full scale) are no audio; they are cut off."""

_FloatPointer = ctypes.POINTER(ctypes.c_float)


def _library_path() -> Path:
    name = "librnnoise.dylib" if sys.platform == "darwin" else "librnnoise.so"
    package = importlib.util.find_spec("pyrnnoise")
    if package is None or package.origin is None:
        raise ModelMissing("RNNoise is not installed: the package pyrnnoise is missing.")
    path = Path(package.origin).with_name(name)
    if not path.exists():
        raise ModelMissing(f"RNNoise's library {path} is missing.")
    return path


@cache
def _library() -> ctypes.CDLL:
    path = _library_path()
    try:
        library = ctypes.CDLL(str(path))
        library.rnnoise_create.argtypes = [ctypes.c_void_p]
        library.rnnoise_create.restype = ctypes.c_void_p
        library.rnnoise_destroy.argtypes = [ctypes.c_void_p]
        library.rnnoise_destroy.restype = None
        library.rnnoise_process_frame.argtypes = [ctypes.c_void_p, _FloatPointer, _FloatPointer]
        library.rnnoise_process_frame.restype = ctypes.c_float
        frame = int(library.rnnoise_get_frame_size())
    except (OSError, AttributeError) as error:
        raise ModelCorrupt(f"RNNoise's library {path} cannot be loaded: {error}.") from error
    if frame != HOP:
        raise ModelCorrupt(f"RNNoise's library {path} wants frames of {frame} samples instead of {HOP}.")
    return library


class _Stream:
    """One stream's memory in the library, and the output that is held back."""

    def __init__(self, library: ctypes.CDLL, held: int) -> None:
        self._library = library
        self._state = ctypes.c_void_p(library.rnnoise_create(None))
        self._held = np.zeros((held, HOP), dtype=np.float32)
        self._next = 0

    def step(self, hop: NDArray[np.float32], out: NDArray[np.float32]) -> None:
        """Both in the library's range, (480,)."""
        self._library.rnnoise_process_frame(
            self._state, out.ctypes.data_as(_FloatPointer), hop.ctypes.data_as(_FloatPointer)
        )
        if len(self._held):
            newest = out.copy()
            out[:] = self._held[self._next]
            self._held[self._next] = newest
            self._next = (self._next + 1) % len(self._held)

    def close(self) -> None:
        if self._state:
            self._library.rnnoise_destroy(self._state)
            self._state = ctypes.c_void_p()

    def __del__(self) -> None:
        self.close()


class RNNoiseDenoiser:
    """A `Denoiser`; `delay` (at least 960, a multiple of 480) is where its output is held back to.

    Raises ModelMissing and ModelCorrupt.
    """

    name = "RNNoise"
    device = "cpu"
    runtime = "librnnoise"

    def __init__(self, capacity: int = 64, delay: int = DEFAULT_DELAY) -> None:
        if delay < OWN_DELAY or delay % HOP:
            raise ValueError(f"RNNoise cannot have a delay of {delay} samples")
        self.capacity = capacity
        self.delay = delay
        self.resets = 0
        """Times a slot was reset because its output was no longer finite."""
        self.broken: list[int] = []
        self._library = _library()
        self._streams: dict[int, _Stream] = {}
        self._slots = Slots(capacity)

    def add(self) -> int:
        slot = self._slots.take()
        self._streams[slot] = self._fresh()
        return slot

    def reset(self, slot: int) -> None:
        self._slots.check(slot)
        self._streams.pop(slot).close()
        self._streams[slot] = self._fresh()

    def remove(self, slot: int) -> None:
        self._slots.give_back(slot)
        self._streams.pop(slot).close()

    def post_filter(self, slot: int, on: bool) -> None:
        """RNNoise has none."""

    def step(self, slots: Sequence[int], hops: NDArray[np.float32]) -> NDArray[np.float32]:
        if hops.shape != (len(slots), HOP):
            raise ValueError(f"hops have shape {hops.shape} instead of {(len(slots), HOP)}")
        for slot in slots:
            self._slots.check(slot)
        audio = np.nan_to_num(hops, nan=0.0, posinf=0.0, neginf=0.0).clip(-_LOUDEST, _LOUDEST) * _SCALE
        audio = np.ascontiguousarray(audio, dtype=np.float32)
        clean = np.empty_like(audio)
        self.broken = []
        for row, slot in enumerate(slots):
            self._streams[slot].step(audio[row], clean[row])
            if not np.isfinite(clean[row]).all():
                clean[row] = 0.0
                self.reset(slot)
                self.resets += 1
                self.broken.append(slot)
        return clean / np.float32(_SCALE)

    def _fresh(self) -> _Stream:
        return _Stream(self._library, (self.delay - OWN_DELAY) // HOP)
