"""A whole recording through a lane of the caption worker: fed as fast as it is heard, and everything said collected."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from server.audio.frame import AudioFrame, Samples
from server.clock import SAMPLE_RATE
from server.errors import Unavailable
from server.inference.caption_lane import (
    CaptionLane,
    CaptionOptions,
    Ear,
    Finished,
    LaneItem,
    LanguageHeard,
    OnItems,
    TurnRevision,
    Turns,
    VoicePrints,
)
from server.speech.processor import SpeakerTurn, Watermark, Word
from server.speech.transcriber import Gap

BLOCK = 5 * SAMPLE_RATE
"""Audio that is read and pushed at once."""
AHEAD = 45 * SAMPLE_RATE
"""Audio that may wait in the lane: enough that no model waits for the disk."""
LOOK_S = 0.2
"""Between two looks at how far it is, where nothing is said."""

Tell = Callable[[float], Awaitable[None]]
"""Told how far it is, from 0 to 1; what it raises ends the hearing."""


class OpenFile(Protocol):
    """Opens a lane for a file. `on_lost` is called with words for a person when nothing more will be said."""

    async def __call__(
        self, options: CaptionOptions, on_items: OnItems, on_lost: Callable[[str], None]
    ) -> CaptionLane: ...


@dataclass(slots=True)
class Heard:
    """What was heard in a recording; times in samples at 48 kHz."""

    words: list[Word] = field(default_factory=list)
    turns: list[SpeakerTurn] = field(default_factory=list)
    gaps: list[tuple[int, int]] = field(default_factory=list)
    """Speech that could not be written down."""
    failures: list[str] = field(default_factory=list)
    """Why, for each gap."""
    prints: VoicePrints | None = None
    language: str | None = None
    length: int = 0
    reached: int = 0
    """How far the words are known."""

    def take(self, item: LaneItem) -> None:
        """What a lane says next."""
        match item:
            case Word():
                self.words.append(item)
            case Watermark(sample):
                self.reached = max(self.reached, sample)
            case Gap(start, end, reason):
                self.gaps.append((start, end))
                self.failures.append(reason)
            case Turns(turns):
                self.turns += turns
            case TurnRevision(start, end, turns):
                self.turns = _revised(self.turns, start, end, turns)
            case VoicePrints():
                self.prints = item
            case LanguageHeard(language):
                self.language = language


async def hear(
    open_file: OpenFile, options: CaptionOptions, ears: Mapping[Ear, Iterator[Samples]], tell: Tell, length: int
) -> Heard:
    """Hear a recording of about `length` samples; `ears` give the audio, 48 kHz mono in pieces of any length.

    Ears may share one iterator. Those are read in a thread. Raises Unavailable where the worker is lost, and what the
    iterators and `tell` raise.
    """
    hearing = _Hearing()
    lane = await open_file(options, hearing.take, hearing.lost)
    try:
        await hearing.feed(lane, ears, tell, max(1, length))
        return hearing.heard
    finally:
        lane.close()


class _Hearing:
    def __init__(self) -> None:
        self.heard = Heard()
        self._news = asyncio.Event()
        self._finished = False
        self._reason: str | None = None

    def take(self, items: Sequence[LaneItem]) -> None:
        """What the lane says."""
        for item in items:
            self.heard.take(item)
            self._finished |= isinstance(item, Finished)
        self._news.set()

    def lost(self, reason: str) -> None:
        """Nothing more will be said."""
        self._reason = reason
        self._news.set()

    async def feed(self, lane: CaptionLane, ears: Mapping[Ear, Iterator[Samples]], tell: Tell, length: int) -> None:
        position = 0
        blocks = {id(source): _Blocks(source) for source in ears.values()}
        while True:
            read = {key: await asyncio.to_thread(source.next) for key, source in blocks.items()}
            count = max(len(samples) for samples in read.values())
            if count == 0:
                break
            for ear, source in ears.items():
                samples = read[id(source)]
                # One version of a recording may be a packet shorter than the other.
                lane.push(ear, AudioFrame(position, np.pad(samples, (0, count - len(samples)))))
            position += count
            while lane.backlog > AHEAD:
                await self._wait(tell, lane, position, length)
            await self._look(tell, lane, position, length)
        self.heard.length = position
        lane.finish()
        while not self._finished:
            await self._wait(tell, lane, position, length)

    async def _wait(self, tell: Tell, lane: CaptionLane, position: int, length: int) -> None:
        self._news.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), LOOK_S)
        await self._look(tell, lane, position, length)

    async def _look(self, tell: Tell, lane: CaptionLane, position: int, length: int) -> None:
        if self._reason is not None:
            raise Unavailable(self._reason, code="captions-lost")
        await tell(min(1.0, max(0, position - lane.backlog) / length))


class _Blocks:
    """Pieces of any length as blocks of `BLOCK`, the last one shorter, then empty ones."""

    def __init__(self, source: Iterator[Samples]) -> None:
        self._source = source
        self._rest: Samples = np.zeros(0, np.float32)

    def next(self) -> Samples:
        pieces, count = [self._rest], len(self._rest)
        while count < BLOCK:
            piece = next(self._source, None)
            if piece is None:
                break
            pieces.append(piece)
            count += len(piece)
        samples = np.concatenate(pieces)
        self._rest = samples[BLOCK:]
        return samples[:BLOCK]


def _revised(known: Sequence[SpeakerTurn], start: int, end: int, turns: Sequence[SpeakerTurn]) -> list[SpeakerTurn]:
    """The turns with those from `start` to `end` replaced."""
    kept = []
    for turn in known:
        if turn.start < start:
            kept.append(SpeakerTurn(turn.start, min(turn.end, start), turn.speaker, turn.probability))
        if turn.end > end:
            kept.append(SpeakerTurn(max(turn.start, end), turn.end, turn.speaker, turn.probability))
    return sorted([*kept, *turns], key=lambda turn: turn.start)
