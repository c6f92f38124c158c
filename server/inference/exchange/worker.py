"""The worker's end: one hop of every stream as a batch, and the answers back."""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from server.audio.frame import Samples
from server.inference.exchange.area import (
    Area,
    Control,
    EntryWord,
    Words,
    WorkerState,
    clear,
    fence,
)
from server.inference.exchange.ring import put
from server.inference.lane import RING


class Batch(NamedTuple):
    """One hop of each of B slots, slots ascending. All arrays have first dimension B."""

    slots: Words
    indices: Words
    generations: Words
    entries: Words
    """(B, 4), all that is known of each hop, see `EntryWord`."""
    hops: Samples
    """(B, 480)"""


class WorkerEnd:
    """The worker's end. A new worker begins after everything that was put in before it came."""

    def __init__(self, area: Area) -> None:
        self.area = area
        self._rows = np.zeros(area.capacity, np.int64)
        """For each slot where its next hop lies."""
        self._following = np.roll(np.arange(area.capacity * RING).reshape(-1, RING), -1, 1).reshape(-1)
        """For each row that which comes after it in its ring."""
        self._skip(np.arange(area.capacity))
        self._answered = area.answered[0]
        area.control[Control.STEPS] = 0

    def take(self, oldest: int) -> Batch | None:
        """The next hop of every slot that has one; hops submitted before `oldest` (ns) are thrown away.

        None when nothing waits.
        """
        area = self.area
        while True:
            ready = (area.submitted > area.taken) & area.open
            slots = ready.nonzero()[0]
            if not len(slots):
                return None
            fence()
            rows = self._rows[slots]
            entries = area.request_entries.take(rows, 0)
            hops = area.request_audio.take(rows, 0)
            self._rows[slots] = self._following[rows]
            area.taken += ready
            stamps = entries[:, EntryWord.STAMP]
            if stamps[stamps.argmin()] < oldest:
                fresh = (stamps >= oldest).nonzero()[0]
                area.control[Control.DROPPED] += len(slots) - len(fresh)
                slots, entries, hops = slots[fresh], entries[fresh], hops[fresh]
                if not len(slots):
                    continue
            return Batch(slots, entries[:, EntryWord.INDEX], entries[:, EntryWord.GENERATION], entries, hops)

    def answer(self, batch: Batch, indices: Words, hops: Samples, wanted: NDArray[np.bool_]) -> None:
        """Put the answers (B, 480), labelled `indices`, where `wanted`; what a full ring has no room for is let go."""
        area = self.area
        entries = batch.entries.copy()
        entries[:, EntryWord.INDEX] = indices
        chosen = wanted.nonzero()[0]
        room = len(area.answer_audio) - (self._answered - area.collected[0])
        kept = chosen[:room]
        area.control[Control.REFUSED] += len(chosen) - len(kept)
        if len(kept) < len(entries):
            entries, hops = entries[kept], hops[kept]
        put(area.answer_audio, self._answered, hops)
        put(area.answer_entries, self._answered, entries)
        self._answered += len(hops)
        area.control[Control.STEPS] += 1
        fence()
        area.answered[0] = self._answered

    def post_filter(self, slots: Words) -> NDArray[np.bool_]:
        """(B,) for which of the slots the engine's post-filter is wanted."""
        wanted: NDArray[np.bool_] = self.area.post_filter[slots]
        return wanted

    def signal(self) -> None:
        """Wake the server."""
        os.eventfd_write(self.area.descriptors.answers, 1)

    def woken(self) -> None:
        """Take back the server's wake-up."""
        clear(self.area.descriptors.requests)

    def closed(self) -> NDArray[np.bool_]:
        """(N,) where no stream holds the slot; what they still had in their rings is forgotten."""
        closed: NDArray[np.bool_] = ~self.area.open
        left = (closed & (self.area.submitted != self.area.taken)).nonzero()[0]
        if len(left):
            self._skip(left)
        return closed

    def _skip(self, slots: Words) -> None:
        """Begin anew after what is in the rings of `slots`."""
        submitted = self.area.submitted[slots]
        self._rows[slots] = slots * RING + submitted % RING
        self.area.taken[slots] = submitted

    def beat(self) -> None:
        """Say that the worker is well."""
        self.area.control[Control.HEARTBEAT] += 1

    def state(self, state: WorkerState, delay: int) -> None:
        self.area.control[Control.DELAY] = delay
        self.area.control[Control.STATE] = state
