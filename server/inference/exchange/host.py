"""The server's end: hops in, clean hops out, and what waits between."""

from __future__ import annotations

import heapq
import os
import time
from array import array

import numpy as np

from server.audio.frame import Samples
from server.clock import HOP
from server.inference.exchange.area import (
    COLUMNS,
    ENTRY,
    Area,
    Control,
    EntryWord,
    HostWord,
    Words,
    WorkerWord,
    clear,
    fence,
)
from server.inference.lane import ANSWERS, REQUESTS, RING

_TAKEN, _ANSWERED = int(WorkerWord.TAKEN), int(WorkerWord.ANSWERED)
_INDEX, _GENERATION, _STAMP = (int(word) for word in EntryWord)


class HostEnd:
    """The server's end. Nothing here waits; meant for one thread."""

    def __init__(self, area: Area) -> None:
        self.area = area
        self._words = area.words
        self._taken_at, self._answered_at = area.worker_at + _TAKEN, area.worker_at + _ANSWERED
        self._entries_at = area.requests_at
        self._free = list(range(area.capacity))
        # As numbers of Python's one by one, as arrays all at once: the same memory.
        self._submitted = array("q", bytes(8 * area.capacity))
        self._submitted_words: Words = np.frombuffer(self._submitted, np.int64)
        self._collected = array("q", bytes(8 * area.capacity))
        self._collected_words: Words = np.frombuffer(self._collected, np.int64)
        self._generation = [0] * area.capacity
        self._rows: list[int] = []
        self._hops: list[Samples] = []
        """What was submitted since the last flush, and the rows of the ring that it is for."""
        self._fetched: list[list[tuple[int, Samples]]] = [[] for _ in range(area.capacity)]
        """For each slot what the next `collect` gives, out of its ring already."""
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
        self._collected[slot] = int(self.area.worker[slot, WorkerWord.ANSWERED])
        self.area.host[slot, HostWord.COLLECTED] = self._collected[slot]
        self.area.host[slot, HostWord.POST_FILTER] = 0
        self.area.host[slot, HostWord.OPEN] = 1
        return slot

    @property
    def in_use(self) -> int:
        """Slots that streams hold."""
        return self.area.capacity - len(self._free)

    def post_filter(self, slot: int, on: bool) -> None:
        """Whether the engine's post-filter is wanted; the worker looks at every hop."""
        self.area.host[slot, HostWord.POST_FILTER] = on

    def close(self, slot: int) -> None:
        """Give a slot back; answers still on their way are never seen."""
        self.area.host[slot, HostWord.OPEN] = 0
        self._dirty = True
        heapq.heappush(self._free, slot)

    def reset(self, slot: int) -> None:
        """From the next hop on it is a new piece of audio; answers to earlier ones are ignored."""
        self._generation[slot] += 1
        self._fetched[slot] = []

    def submit(self, slot: int, index: int, samples: Samples) -> bool:
        """Put a hop (480,) into the ring; False, and not put, when the worker is a whole ring behind.

        It is copied by `flush`, and must not change before.
        """
        words = self._words
        written = self._submitted[slot]
        if written - words[self._taken_at + slot * COLUMNS] >= RING:
            REQUESTS.dropped += 1
            return False
        row = slot * RING + written % RING
        self._rows.append(row)
        self._hops.append(samples)
        entry = self._entries_at + row * ENTRY
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
        if self._rows:
            self.area.request_audio[self._rows] = np.concatenate(self._hops).reshape(-1, HOP)
            self._rows, self._hops = [], []
        fence()
        self.area.host[:, HostWord.SUBMITTED] = self._submitted_words
        os.eventfd_write(self.area.descriptors.requests, 1)

    def collect(self, slot: int) -> list[tuple[int, Samples]]:
        """Answers since the last call as (index, (480,) samples of the caller's own), in order."""
        if self._words[self._answered_at + slot * COLUMNS] != self._collected[slot]:
            self._fetch(slot)
        fetched, self._fetched[slot] = self._fetched[slot], []
        return fetched

    def _fetch(self, asking: int) -> None:
        """Take the answers of every slot that is there; whoever does not collect them keeps no more than a ring."""
        area = self.area
        answered = area.worker[:, _ANSWERED].copy()
        waiting = np.flatnonzero(answered != self._collected_words).tolist()
        slots = [slot for slot in waiting if slot == asking or not self._fetched[slot]]
        ends = answered[slots]
        fence()
        counts = np.minimum(ends - self._collected_words[slots], RING)
        owners = np.repeat(slots, counts)
        places = np.arange(len(owners)) + np.repeat(ends - np.cumsum(counts), counts)
        rows = owners * RING + places % RING
        entries = area.answer_entries.take(rows, 0)[:, [_INDEX, _GENERATION]].tolist()
        hops = area.answer_audio.take(rows, 0)
        for slot, (index, generation), hop in zip(owners.tolist(), entries, hops, strict=True):
            if generation == self._generation[slot]:
                self._fetched[slot].append((index, hop))
        self._collected_words[slots] = ends
        area.host[slots, HostWord.COLLECTED] = ends

    def answered(self) -> float | None:
        """Take back the worker's wake-up: seconds since the newest hop answered was submitted; None if none came."""
        if not clear(self.area.descriptors.answers):
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
        return self._between(self.area.host[:, HostWord.SUBMITTED], self.area.worker[:, WorkerWord.TAKEN])

    def uncollected(self) -> list[int]:
        """Answers that have not been collected, for each open slot."""
        return self._between(self.area.worker[:, WorkerWord.ANSWERED], self.area.host[:, HostWord.COLLECTED])

    def _between(self, written: Words, read: Words) -> list[int]:
        waiting: list[int] = (written - read)[self.area.host[:, HostWord.OPEN] == 1].tolist()
        return waiting
