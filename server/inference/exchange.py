"""Hops to the denoise worker and clean hops back through one piece of shared memory.

The memory is anonymous (`memfd_create`) and reaches the worker as an inherited file descriptor, so nothing has a name
that could be left behind or removed too early. Every stream has a slot: a ring of hops towards the worker and one
back. Each ring has one writer, which writes the audio first and moves its counter after. Two eventfds wake the other
side, once a tick. Whatever one side finds in the memory may come from a process that has died half-way: counters move
only once an entry is whole, and every entry carries the generation of its slot, so that answers from before a reset
are told apart.

Shapes: N slots, rings of RING hops, hops of 480 samples.
"""

from __future__ import annotations

import heapq
import mmap
import os
import threading
import time
from array import array
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from server.audio.frame import Samples
from server.clock import HOP
from server.inference.lane import ANSWERS, REQUESTS, RING

_PAGE = 4096
_COLUMNS = 8
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


class _Host(IntEnum):
    """Words of a slot that the server writes."""

    OPEN = 0
    SUBMITTED = 1
    COLLECTED = 2
    POST_FILTER = 3


class _Worker(IntEnum):
    """Words of a slot that the worker writes."""

    TAKEN = 0
    ANSWERED = 1


class _Entry(IntEnum):
    """Words beside each hop in a ring."""

    INDEX = 0
    GENERATION = 1
    STAMP = 2


_COLLECTED = int(_Host.COLLECTED)
_TAKEN, _ANSWERED = int(_Worker.TAKEN), int(_Worker.ANSWERED)
_INDEX, _GENERATION, _STAMP = (int(word) for word in _Entry)
_ENTRY = 4
"""Words beside each hop; one is unused."""


class Descriptors(NamedTuple):
    """What the worker inherits: the memory and an eventfd for each direction."""

    memory: int
    requests: int
    answers: int


_fence_lock = threading.Lock()


def _fence() -> None:
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
        self.host_at, self.worker_at, self.requests_at, self.answers_at = (offset // 8 for offset in offsets[1:5])
        words: Words = np.frombuffer(memory, np.int64)
        audio: Samples = np.frombuffer(memory, np.float32)

        def cut(part: int, shape: tuple[int, ...]) -> Words:
            first = offsets[part] // 8
            return words[first : first + int(np.prod(shape))].reshape(shape)

        self.control = cut(0, (_COLUMNS,))
        self.host = cut(1, (capacity, _COLUMNS))
        self.worker = cut(2, (capacity, _COLUMNS))
        self.request_entries = cut(3, (capacity, RING, _ENTRY))
        self.answer_entries = cut(4, (capacity, RING, _ENTRY))
        shape = (capacity, RING, HOP)
        count = int(np.prod(shape))
        self.request_audio = audio[offsets[5] // 4 : offsets[5] // 4 + count].reshape(shape)
        self.answer_audio = audio[offsets[6] // 4 : offsets[6] // 4 + count].reshape(shape)

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
    entries = capacity * RING * _ENTRY * 8
    audio = capacity * RING * HOP * 4
    sizes = [_COLUMNS * 8, capacity * _COLUMNS * 8, capacity * _COLUMNS * 8, entries, entries, audio, audio]
    offsets, end = [], 0
    for size in sizes:
        offsets.append(end)
        end += -(-size // _PAGE) * _PAGE
    return end, offsets


def _clear(descriptor: int) -> bool:
    """Take back a wake-up; whether there was one."""
    try:
        os.eventfd_read(descriptor)
    except BlockingIOError:
        return False
    return True


class HostEnd:
    """The server's end. Nothing here waits; meant for one thread."""

    def __init__(self, area: Area) -> None:
        self.area = area
        self._words = area.words
        self._free = list(range(area.capacity))
        self._submitted = array("q", bytes(8 * area.capacity))
        self._submitted_words: Words = np.frombuffer(self._submitted, np.int64)
        self._collected = [0] * area.capacity
        self._generation = [0] * area.capacity
        self._dirty = False
        self._counted = [0, 0]
        REQUESTS.measure(self, HostEnd.unread)
        ANSWERS.measure(self, HostEnd.uncollected)

    def open(self) -> int | None:
        """A slot for one stream, or None when all are taken."""
        if not self._free:
            return None
        slot = heapq.heappop(self._free)
        self.reset(slot)
        self._collected[slot] = int(self.area.worker[slot, _Worker.ANSWERED])
        self.area.host[slot, _Host.COLLECTED] = self._collected[slot]
        self.area.host[slot, _Host.POST_FILTER] = 0
        self.area.host[slot, _Host.OPEN] = 1
        return slot

    @property
    def in_use(self) -> int:
        """Slots that streams hold."""
        return self.area.capacity - len(self._free)

    def post_filter(self, slot: int, on: bool) -> None:
        """Whether the engine's post-filter is wanted; the worker looks at every hop."""
        self.area.host[slot, _Host.POST_FILTER] = on

    def close(self, slot: int) -> None:
        """Give a slot back; answers still on their way are never seen."""
        self.area.host[slot, _Host.OPEN] = 0
        self._dirty = True
        heapq.heappush(self._free, slot)

    def reset(self, slot: int) -> None:
        """From the next hop on it is a new piece of audio; answers to earlier ones are ignored."""
        self._generation[slot] += 1

    def submit(self, slot: int, index: int, samples: Samples) -> bool:
        """Put a hop (480,) into the ring; False, and not put, when the worker is a whole ring behind."""
        words = self._words
        written = self._submitted[slot]
        if written - words[self.area.worker_at + slot * _COLUMNS + _TAKEN] >= RING:
            REQUESTS.dropped += 1
            return False
        place = written % RING
        self.area.request_audio[slot, place] = samples
        entry = self.area.requests_at + (slot * RING + place) * _ENTRY
        words[entry + _INDEX] = index
        words[entry + _GENERATION] = self._generation[slot]
        words[entry + _STAMP] = time.monotonic_ns()
        self._submitted[slot] = written + 1
        self._dirty = True
        return True

    def flush(self) -> None:
        """Show the worker everything put in since the last call and wake it, once."""
        if not self._dirty:
            return
        self._dirty = False
        _fence()
        self.area.host[:, _Host.SUBMITTED] = self._submitted_words
        os.eventfd_write(self.area.descriptors.requests, 1)

    def collect(self, slot: int) -> list[tuple[int, Samples]]:
        """Answers since the last call as (index, (480,) samples of the caller's own), in order."""
        words = self._words
        answered = words[self.area.worker_at + slot * _COLUMNS + _ANSWERED]
        place = self._collected[slot]
        if answered == place:
            return []
        _fence()
        answers = []
        for position in range(max(place, answered - RING), answered):
            entry = self.area.answers_at + (slot * RING + position % RING) * _ENTRY
            if words[entry + _GENERATION] == self._generation[slot]:
                answers.append((words[entry + _INDEX], self.area.answer_audio[slot, position % RING].copy()))
        self._collected[slot] = answered
        words[self.area.host_at + slot * _COLUMNS + _COLLECTED] = answered
        return answers

    def answered(self) -> float | None:
        """Take back the worker's wake-up: seconds since the newest hop answered was submitted; None if none came."""
        if not _clear(self.area.descriptors.answers):
            return None
        self._count()
        return (time.monotonic_ns() - int(self.area.control[Control.STAMP])) / 1e9

    def _count(self) -> None:
        """What the worker has thrown away since the last time."""
        control = self.area.control
        thrown = [int(control[Control.DROPPED]), int(control[Control.REFUSED])]
        for queue, now, before in zip((REQUESTS, ANSWERS), thrown, self._counted, strict=True):
            queue.dropped += now - before if now >= before else now  # a new worker counts anew
        self._counted = thrown

    def pending(self) -> int:
        """Hops that the worker has been shown and has not taken, over all open slots."""
        return sum(self.unread())

    def unread(self) -> list[int]:
        """Hops that the worker has been shown and has not taken, for each open slot."""
        return self._between(self.area.host[:, _Host.SUBMITTED], self.area.worker[:, _Worker.TAKEN])

    def uncollected(self) -> list[int]:
        """Answers that have not been collected, for each open slot."""
        return self._between(self.area.worker[:, _Worker.ANSWERED], self.area.host[:, _Host.COLLECTED])

    def _between(self, written: Words, read: Words) -> list[int]:
        waiting: list[int] = (written - read)[self.area.host[:, _Host.OPEN] == 1].tolist()
        return waiting


@dataclass(frozen=True, slots=True)
class Batch:
    """One hop of each of B slots, slots ascending. All arrays have first dimension B."""

    slots: Words
    indices: Words
    generations: Words
    stamps: Words
    hops: Samples
    """(B, 480)"""


class WorkerEnd:
    """The worker's end. A new worker begins after everything that was put in before it came."""

    def __init__(self, area: Area) -> None:
        self.area = area
        self._taken = area.host[:, _Host.SUBMITTED].copy()
        area.worker[:, _Worker.TAKEN] = self._taken
        self._answered = area.worker[:, _Worker.ANSWERED].copy()
        area.control[Control.STEPS] = 0

    def take(self, oldest: int) -> Batch | None:
        """The next hop of every slot that has one; hops submitted before `oldest` (ns) are thrown away.

        None when nothing waits.
        """
        area = self.area
        while True:
            submitted = area.host[:, _Host.SUBMITTED]
            slots = np.flatnonzero((submitted > self._taken) & (area.host[:, _Host.OPEN] == 1))
            if not len(slots):
                return None
            _fence()
            places = self._taken[slots] % RING
            entries = area.request_entries[slots, places]
            hops = area.request_audio[slots, places]
            self._taken[slots] += 1
            area.worker[slots, _Worker.TAKEN] = self._taken[slots]
            fresh = entries[:, _Entry.STAMP] >= oldest
            if not fresh.all():
                area.control[Control.DROPPED] += int((~fresh).sum())
                if not fresh.any():
                    continue
                slots, entries, hops = slots[fresh], entries[fresh], hops[fresh]
            index, generation, stamp = (entries[:, column] for column in _Entry)
            return Batch(slots, index, generation, stamp, hops)

    def answer(self, batch: Batch, indices: Words, hops: Samples, wanted: NDArray[np.bool_]) -> None:
        """Put the answers (B, 480), labelled `indices`, where `wanted`; a ring that nobody empties is left alone."""
        area = self.area
        room = self._answered[batch.slots] - area.host[batch.slots, _Host.COLLECTED] < RING
        chosen = np.flatnonzero(room & wanted)
        area.control[Control.REFUSED] += int((wanted & ~room).sum())
        slots = batch.slots[chosen]
        places = self._answered[slots] % RING
        area.answer_audio[slots, places] = hops[chosen]
        area.answer_entries[slots, places, _Entry.INDEX] = indices[chosen]
        area.answer_entries[slots, places, _Entry.GENERATION] = batch.generations[chosen]
        self._answered[slots] += 1
        area.control[Control.STAMP] = int(batch.stamps.max())
        area.control[Control.STEPS] += 1
        _fence()
        area.worker[slots, _Worker.ANSWERED] = self._answered[slots]

    def post_filter(self, slots: Words) -> NDArray[np.bool_]:
        """(B,) for which of the slots the engine's post-filter is wanted."""
        wanted: NDArray[np.bool_] = self.area.host[slots, _Host.POST_FILTER] == 1
        return wanted

    def signal(self) -> None:
        """Wake the server."""
        os.eventfd_write(self.area.descriptors.answers, 1)

    def woken(self) -> None:
        """Take back the server's wake-up."""
        _clear(self.area.descriptors.requests)

    def closed(self) -> NDArray[np.bool_]:
        """(N,) where no stream holds the slot; what they still had in their rings is forgotten."""
        area = self.area
        closed: NDArray[np.bool_] = area.host[:, _Host.OPEN] == 0
        self._taken[closed] = area.host[closed, _Host.SUBMITTED]
        area.worker[closed, _Worker.TAKEN] = self._taken[closed]
        return closed

    def beat(self) -> None:
        """Say that the worker is well."""
        self.area.control[Control.HEARTBEAT] += 1

    def state(self, state: WorkerState, delay: int) -> None:
        self.area.control[Control.DELAY] = delay
        self.area.control[Control.STATE] = state
