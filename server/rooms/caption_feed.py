"""What a lane of the captions hears of a stream: the audio before or after the denoiser, in pieces."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import numpy as np

from server.audio.frame import AudioFrame, Samples
from server.inference.caption_lane import CaptionLane, Ear
from server.rooms.off_record import OffRecord

PIECE = 4_800
"""Samples that are handed over at once, 100 ms: the event loop has better things to do at every hop."""


class Tap(StrEnum):
    """Where on its way through the server audio is heard."""

    RAW = "raw"
    """As the publisher sent it."""
    CLEAN = "clean"
    """As listeners hear it."""


class CaptionFeed:
    """Gives each ear of a lane what it is to hear from `start` on, gapless; silence of what is `off` the record."""

    def __init__(self, lane: CaptionLane, hears: Mapping[Ear, Tap], start: int, off: OffRecord) -> None:
        self._lane = lane
        self._start = start
        self._off = off
        self._ears = {tap: [ear for ear, heard in hears.items() if heard is tap] for tap in Tap}
        self._open: dict[Tap, list[Samples]] = {tap: [] for tap in Tap}
        self._begun: dict[Tap, int] = {}

    def take(self, tap: Tap, start: int, samples: Samples) -> bool:
        """The next 960 samples of a tap, whose first is `start`. Whether that filled a piece."""
        if start < self._start or not self._ears[tap]:
            return False
        waiting = self._open[tap]
        if not waiting:
            self._begun[tap] = start
        off = self._off.covers(start, start + len(samples))
        waiting.append(np.zeros(len(samples), np.float32) if off else samples)
        if start + len(samples) - self._begun[tap] < PIECE:
            return False
        self._push(tap)
        return True

    def flush(self) -> None:
        """Hand over what has not filled a piece."""
        for tap in Tap:
            if self._open[tap]:
                self._push(tap)

    def _push(self, tap: Tap) -> None:
        waiting, self._open[tap] = self._open[tap], []
        frame = AudioFrame(self._begun[tap], np.concatenate(waiting))
        for ear in self._ears[tap]:
            self._lane.push(ear, frame)
