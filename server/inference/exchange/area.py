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
    REFUSED = 5
    """Answers that found their ring full."""


class WorkerState(IntEnum):
    """What the worker says of itself in the control block."""

    STARTING = 0
    READY = 1


class EntryWord(IntEnum):
    """Words beside each hop in a ring."""

    INDEX = 0
    GENERATION = 1
    STAMP = 2
    """When the first hop of its tick was submitted, ns of the monotonic clock."""
    SLOT = 3


ENTRY = len(EntryWord)


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

        def words(part: int, *shape: int) -> Words:
            return np.frombuffer(memory, np.int64, int(np.prod(shape)), offsets[part]).reshape(shape)

        def audio(part: int) -> Samples:
            return np.frombuffer(memory, np.float32, rows * HOP, offsets[part]).reshape(rows, HOP)

        rows = capacity * RING
        # What is read and written a word at a time: that is several times faster than through numpy.
        self.control = words(0, len(Control)).data
        # Columns with something for each slot; those of the server:
        self.open: NDArray[np.bool_] = np.frombuffer(memory, np.bool_, capacity, offsets[1])
        self.post_filter: NDArray[np.bool_] = np.frombuffer(memory, np.bool_, capacity, offsets[2])
        self.submitted = words(3, capacity)
        # … and the worker's:
        self.taken = words(4, capacity)
        # Rows of the rings towards the worker: that of slot s at place p is s · RING + p.
        self.request_entries = words(5, rows, ENTRY)
        self.request_audio = audio(6)
        # The ring back, one for all slots: what the worker has put in and the server has taken out.
        self.answered = words(7, 1).data
        self.collected = words(8, 1).data
        self.answer_entries = words(9, rows, ENTRY)
        self.answer_audio = audio(10)

    @classmethod
    def create(cls, capacity: int) -> Area:
        """New memory for `capacity` slots; pages are taken from the system only when a slot is first used."""
        memory = os.memfd_create("clearcast-denoise", os.MFD_CLOEXEC)
        os.ftruncate(memory, _layout(capacity)[0])
        flags = os.EFD_CLOEXEC | os.EFD_NONBLOCK
        area = cls(Descriptors(memory, os.eventfd(0, flags), os.eventfd(0, flags)), capacity)
        area.request_entries[:, EntryWord.SLOT] = np.arange(len(area.request_entries)) // RING
        return area

    def close(self) -> None:
        """Close the descriptors; the memory goes with the last view of it."""
        for descriptor in self.descriptors:
            os.close(descriptor)


def _layout(capacity: int) -> tuple[int, list[int]]:
    """Size in bytes and where each part begins, each on a page of its own, since each has one writer."""
    column, rows = capacity * 8, capacity * RING
    entries, audio = rows * ENTRY * 8, rows * HOP * 4
    sizes = [len(Control) * 8, capacity, capacity, column, column, entries, audio, 8, 8, entries, audio]
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
