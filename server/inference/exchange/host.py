"""The server's end: hops in, clean hops out, and what waits between."""

from __future__ import annotations

import heapq
import os
import time
from array import array

import numpy as np

from server.audio.frame import Samples
from server.inference.exchange.area import ENTRY, Area, Control, EntryWord, Words, clear, fence
from server.inference.exchange.ring import between
from server.inference.lane import ANSWERS, REQUESTS, RING

_INDEX, _GENERATION, _STAMP, _ = (int(word) for word in EntryWord)


class HostEnd:
    """The server's end. Nothing here waits; meant for one thread."""

    def __init__(self, area: Area) -> None:
        self.area = area
        self._taken = area.taken.data
        self._entries = area.request_entries.reshape(-1).data
        self._free = list(range(area.capacity))
        self._submitted = array("q", bytes(8 * area.capacity))
        self._submitted_words: Words = np.frombuffer(self._submitted, np.int64)
        self._collected = 0
        self._generation = [0] * area.capacity
        self._fetched: list[list[tuple[int, Samples]]] = [[] for _ in range(area.capacity)]
        """For each slot what the next `collect` gives, out of the ring already."""
        self._dirty = False
        self._stamp = 0
        self._counted = (0, 0)
        REQUESTS.measure(self, HostEnd.unread)
        ANSWERS.measure(self, HostEnd.uncollected, len(area.answer_audio))

    def open(self) -> int | None:
        """A slot for one stream, or None when all are taken."""
        if not self._free:
            return None
        slot = heapq.heappop(self._free)
        self.area.post_filter[slot] = False
        self.area.open[slot] = True
        return slot

    @property
    def in_use(self) -> int:
        """Slots that streams hold."""
        return self.area.capacity - len(self._free)

    def post_filter(self, slot: int, on: bool) -> None:
        """Whether the engine's post-filter is wanted; the worker looks at every hop."""
        self.area.post_filter[slot] = on

    def close(self, slot: int) -> None:
        """Give a slot back; answers still on their way are never seen."""
        self.reset(slot)
        self.area.open[slot] = False
        self._dirty = True
        heapq.heappush(self._free, slot)

    def reset(self, slot: int) -> None:
        """From the next hop on it is a new piece of audio; answers to earlier ones are ignored."""
        self._generation[slot] += 1
        self._fetched[slot] = []

    def submit(self, slot: int, index: int, samples: Samples) -> bool:
        """Put a hop (480,) into the ring; False, and not put, when the worker is a whole ring behind."""
        written = self._submitted[slot]
        if written - self._taken[slot] >= RING:
            REQUESTS.dropped += 1
            return False
        self._stamp = self._stamp or time.monotonic_ns()
        row = slot * RING + written % RING
        self.area.request_audio[row] = samples
        entry, entries = row * ENTRY, self._entries
        entries[entry + _INDEX] = index
        entries[entry + _GENERATION] = self._generation[slot]
        entries[entry + _STAMP] = self._stamp
        self._submitted[slot] = written + 1
        self._dirty = True
        return True

    def flush(self) -> None:
        """Show the worker everything put in since the last call and wake it, once."""
        if not self._dirty:
            return
        self._dirty, self._stamp = False, 0
        fence()
        self.area.submitted[:] = self._submitted_words
        os.eventfd_write(self.area.descriptors.requests, 1)

    def collect(self, slot: int) -> list[tuple[int, Samples]]:
        """Answers since the last call as (index, (480,) samples of the caller's own), in order."""
        if self.area.answered[0] != self._collected:
            self._fetch()
        fetched, self._fetched[slot] = self._fetched[slot], []
        return fetched

    def answered(self) -> float | None:
        """Take back the worker's wake-up: seconds since the newest hop answered was submitted; None if none came."""
        clear(self.area.descriptors.answers)
        self._count()
        stamp = self._fetch()
        return None if stamp is None else (time.monotonic_ns() - stamp) / 1e9

    def _fetch(self) -> int | None:
        """Take all answers out of the ring; the stamp of the last, None without any.

        Of those that a stream does not collect the newest are let go.
        """
        area, begin, end = self.area, self._collected, self.area.answered[0]
        fence()
        entries = between(area.answer_entries, begin, end).tolist()
        hops = between(area.answer_audio, begin, end)
        area.collected[0] = self._collected = end
        generations, fetched = self._generation, self._fetched
        for (index, generation, _, slot), hop in zip(entries, hops, strict=True):
            if generation != generations[slot]:
                continue
            if len(waiting := fetched[slot]) < RING:
                waiting.append((index, hop))
            else:
                ANSWERS.dropped += 1
        return entries[-1][_STAMP] if entries else None

    def _count(self) -> None:
        """What the worker has thrown away since the last time."""
        control = self.area.control
        thrown = (control[Control.DROPPED], control[Control.REFUSED])
        if thrown == self._counted:
            return
        for queue, now, before in zip((REQUESTS, ANSWERS), thrown, self._counted, strict=True):
            queue.dropped += now - before if now >= before else now  # a new worker counts anew
        self._counted = thrown

    def pending(self) -> int:
        """Hops that the worker has been shown and has not taken, over all open slots."""
        return sum(self.unread())

    def unread(self) -> list[int]:
        """Hops that the worker has been shown and has not taken, for each open slot."""
        area = self.area
        waiting: list[int] = (area.submitted - area.taken)[area.open].tolist()
        return waiting

    def uncollected(self) -> int:
        """Answers in the ring and those out of it that no stream has collected."""
        return self.area.answered[0] - self._collected + sum(map(len, self._fetched))
