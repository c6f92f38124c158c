"""What the tests of lanes share: a stream that is pushed as fast as it is heard, and everything that was said of it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from server.audio.frame import AudioFrame, Samples
from server.clock import SAMPLE_RATE
from server.inference.caption_lane import CaptionLane, Ear, Finished, LaneItem
from server.speech.processor import Watermark, Word

PIECE = SAMPLE_RATE // 10
AHEAD = 10 * SAMPLE_RATE

Item = TypeVar("Item")


class Said:
    """Everything that a lane said."""

    def __init__(self) -> None:
        self.items: list[LaneItem] = []

    def __call__(self, items: Sequence[LaneItem]) -> None:
        self.items += items

    def of(self, kind: type[Item]) -> list[Item]:
        return [item for item in self.items if isinstance(item, kind)]

    @property
    def text(self) -> str:
        return "".join(word.text for word in self.of(Word)).strip()

    @property
    def finished(self) -> bool:
        return bool(self.of(Finished))

    def in_order(self) -> bool:
        """Words one after the other, watermarks that only grow."""
        words, marks = self.of(Word), [mark.sample for mark in self.of(Watermark)]
        follows = all(before.end <= after.start for before, after in itertools.pairwise(words))
        return follows and marks == sorted(set(marks))


async def push(
    lane: CaptionLane,
    samples: Samples,
    start: int = 0,
    ears: Sequence[Ear] = tuple(Ear),
    at: dict[int, Callable[[], Any]] | None = None,
    ahead: int = AHEAD,
) -> None:
    """Push audio no faster than it is heard. `at` calls something once so many samples were pushed."""
    for begin in range(0, len(samples), PIECE):
        for ear in ears:
            lane.push(ear, AudioFrame(start + begin, samples[begin : begin + PIECE]))
        if at is not None and begin in at:
            at[begin]()
        await asyncio.sleep(0)
        while lane.backlog > ahead:
            await asyncio.sleep(0.01)
