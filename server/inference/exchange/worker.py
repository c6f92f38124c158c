"""The worker's end: one hop of every stream as a batch, and the answers back."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from server.audio.frame import Samples
from server.inference.exchange.area import (
    Area,
    Control,
    EntryWord,
    HostWord,
    Words,
    WorkerState,
    WorkerWord,
    clear,
    fence,
)
from server.inference.lane import RING

_INDEX, _GENERATION, _STAMP = (int(word) for word in EntryWord)


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
        self._taken = area.host[:, HostWord.SUBMITTED].copy()
        area.worker[:, WorkerWord.TAKEN] = self._taken
        self._answered = area.worker[:, WorkerWord.ANSWERED].copy()
        area.control[Control.STEPS] = 0

    def take(self, oldest: int) -> Batch | None:
        """The next hop of every slot that has one; hops submitted before `oldest` (ns) are thrown away.

        None when nothing waits.
        """
        area = self.area
        while True:
            submitted = area.host[:, HostWord.SUBMITTED]
            slots = np.flatnonzero((submitted > self._taken) & (area.host[:, HostWord.OPEN] == 1))
            if not len(slots):
                return None
            fence()
            taken = self._taken[slots]
            rows = slots * RING + taken % RING
            entries = area.request_entries.take(rows, 0)
            hops = area.request_audio.take(rows, 0)
            self._taken[slots] = taken = taken + 1
            area.worker[slots, WorkerWord.TAKEN] = taken
            fresh = entries[:, _STAMP] >= oldest
            if not fresh.all():
                area.control[Control.DROPPED] += int((~fresh).sum())
                if not fresh.any():
                    continue
                slots, entries, hops = slots[fresh], entries[fresh], hops[fresh]
            return Batch(slots, entries[:, _INDEX], entries[:, _GENERATION], entries[:, _STAMP], hops)

    def answer(self, batch: Batch, indices: Words, hops: Samples, wanted: NDArray[np.bool_]) -> None:
        """Put the answers (B, 480), labelled `indices`, where `wanted`; a ring that nobody empties is left alone."""
        area = self.area
        room = self._answered[batch.slots] - area.host[batch.slots, HostWord.COLLECTED] < RING
        chosen = room & wanted
        slots, generations = batch.slots, batch.generations
        if not chosen.all():
            area.control[Control.REFUSED] += int((wanted & ~room).sum())
            slots, generations, indices, hops = slots[chosen], generations[chosen], indices[chosen], hops[chosen]
        answered = self._answered[slots]
        rows = slots * RING + answered % RING
        area.answer_audio[rows] = hops
        area.answer_entries[rows, _INDEX] = indices
        area.answer_entries[rows, _GENERATION] = generations
        self._answered[slots] = answered = answered + 1
        area.control[Control.STAMP] = int(batch.stamps.max())
        area.control[Control.STEPS] += 1
        fence()
        area.worker[slots, WorkerWord.ANSWERED] = answered

    def post_filter(self, slots: Words) -> NDArray[np.bool_]:
        """(B,) for which of the slots the engine's post-filter is wanted."""
        wanted: NDArray[np.bool_] = self.area.host[slots, HostWord.POST_FILTER] == 1
        return wanted

    def signal(self) -> None:
        """Wake the server."""
        os.eventfd_write(self.area.descriptors.answers, 1)

    def woken(self) -> None:
        """Take back the server's wake-up."""
        clear(self.area.descriptors.requests)

    def closed(self) -> NDArray[np.bool_]:
        """(N,) where no stream holds the slot; what they still had in their rings is forgotten."""
        area = self.area
        closed: NDArray[np.bool_] = area.host[:, HostWord.OPEN] == 0
        self._taken[closed] = area.host[closed, HostWord.SUBMITTED]
        area.worker[closed, WorkerWord.TAKEN] = self._taken[closed]
        return closed

    def beat(self) -> None:
        """Say that the worker is well."""
        self.area.control[Control.HEARTBEAT] += 1

    def state(self, state: WorkerState, delay: int) -> None:
        self.area.control[Control.DELAY] = delay
        self.area.control[Control.STATE] = state
