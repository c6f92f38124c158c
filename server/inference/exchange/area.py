"""The shared memory: what lies where, and how both sides wake each other."""

from __future__ import annotations

import mmap
import os
import threading
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from server.audio.frame import Samples
from server.clock import HOP
from server.inference.lane import RING

_PAGE = 4096
COLUMNS = 8
"""Words a slot has on each side: one cache line, so that the two sides do not share one."""

Words = NDArray[np.int64]


class Control(IntEnum):
    """Words of the control block; all written by the worker."""

    STATE = 0
    HEARTBEAT = 1
    """Grows at least ten times a second while the worker is well."""
    DELAY = 2
    """Lookahead in samples as the answers are labelled."""
    STEPS = 3
    """Batches denoised."""
    DROPPED = 4
    """Hops thrown away for being too old when the worker came to them."""
    STAMP = 5
    """When the newest hop answered was submitted, ns of the monotonic clock."""
    REFUSED = 6
    """Answers that found their ring full."""


class WorkerState(IntEnum):
    """What the worker says of itself in the control block."""

    STARTING = 0
    READY = 1


class HostWord(IntEnum):
    """Words of a slot that the server writes."""

    OPEN = 0
    SUBMITTED = 1
    COLLECTED = 2
    POST_FILTER = 3


class WorkerWord(IntEnum):
    """Words of a slot that the worker writes."""

    TAKEN = 0
    ANSWERED = 1


class EntryWord(IntEnum):
    """Words beside each hop in a ring."""

    INDEX = 0
    GENERATION = 1
    STAMP = 2


ENTRY = 4
"""Words beside each hop; one is unused."""


class Descriptors(NamedTuple):
    """What the worker inherits: the memory and an eventfd for each direction."""

    memory: int
    requests: int
    answers: int


_fence_lock = threading.Lock()


def fence() -> None:
    """Keep what was written before from being seen after what is written next.

    x86-64 does so by itself. Elsewhere a release followed by an acquire does: leaving one critical section and
    entering another.
    """
    with _fence_lock:
        pass
    with _fence_lock:
        pass


class Area:
    """The shared memory and its views, the same on both sides.

    Raises ValueError when the memory is not of the size that `capacity` slots take.
    """

    def __init__(self, descriptors: Descriptors, capacity: int) -> None:
        self.descriptors = descriptors
        self.capacity = capacity
        size, offsets = _layout(capacity)
        if os.fstat(descriptors.memory).st_size != size:
            raise ValueError(f"the shared memory does not hold {capacity} slots")
        memory = mmap.mmap(descriptors.memory, size)
        self.words = memoryview(memory).cast("q")
        """All of it as words: single ones are read and written several times faster than through numpy."""
        self.worker_at, self.requests_at = offsets[2] // 8, offsets[3] // 8
        words: Words = np.frombuffer(memory, np.int64)
        audio: Samples = np.frombuffer(memory, np.float32)

        def cut(part: int, shape: tuple[int, ...]) -> Words:
            first = offsets[part] // 8
            return words[first : first + int(np.prod(shape))].reshape(shape)

        self.control = cut(0, (COLUMNS,))
        self.host = cut(1, (capacity, COLUMNS))
        self.worker = cut(2, (capacity, COLUMNS))
        # Rows of the rings: that of slot s at place p is s · RING + p.
        rows = capacity * RING
        self.request_entries = cut(3, (rows, ENTRY))
        self.answer_entries = cut(4, (rows, ENTRY))
        self.request_audio, self.answer_audio = (
            audio[first // 4 : first // 4 + rows * HOP].reshape(rows, HOP) for first in offsets[5:7]
        )

    @classmethod
    def create(cls, capacity: int) -> Area:
        """New memory for `capacity` slots; pages are taken from the system only when a slot is first used."""
        memory = os.memfd_create("clearcast-denoise", os.MFD_CLOEXEC)
        os.ftruncate(memory, _layout(capacity)[0])
        flags = os.EFD_CLOEXEC | os.EFD_NONBLOCK
        return cls(Descriptors(memory, os.eventfd(0, flags), os.eventfd(0, flags)), capacity)

    def close(self) -> None:
        """Close the descriptors; the memory goes with the last view of it."""
        for descriptor in self.descriptors:
            os.close(descriptor)


def _layout(capacity: int) -> tuple[int, list[int]]:
    """Size in bytes and where each part begins, each on a page of its own."""
    entries = capacity * RING * ENTRY * 8
    audio = capacity * RING * HOP * 4
    sizes = [COLUMNS * 8, capacity * COLUMNS * 8, capacity * COLUMNS * 8, entries, entries, audio, audio]
    offsets, end = [], 0
    for size in sizes:
        offsets.append(end)
        end += -(-size // _PAGE) * _PAGE
    return end, offsets


def clear(descriptor: int) -> bool:
    """Take back a wake-up; whether there was one."""
    try:
        os.eventfd_read(descriptor)
    except BlockingIOError:
        return False
    return True
