"""A caption service that follows a script: it hears a word where the script has one and the audio is loud."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from server.audio.frame import AudioFrame, Samples
from server.clock import PACKET, SAMPLE_RATE
from server.inference.caption_lane import (
    CaptionerStatus,
    CaptionLane,
    CaptionOptions,
    Ear,
    Finished,
    LaneItem,
    LaneMemory,
    OnItems,
    Turns,
)
from server.rooms.messages import CaptionInfo, CaptionOutput, CaptionTold
from server.speech.processor import SpeakerTurn, Watermark, Word
from server.speech.transcriber import Interim
from server.speech.vad import SpeechEnd, SpeechStart
from tests.rooms.sound import level, tone
from tests.rooms.studio import Source, Studio

READY = CaptionerStatus("ready", "nano", "embedding", "cpu")
LOUD = 0.05
HESITATES = SAMPLE_RATE // 4
"""What is said is an interim first, and sure when so much more was heard, 48 kHz samples."""


@dataclass(frozen=True, slots=True)
class Line:
    """What somebody says, a word every 0.3 s from `at` (seconds of the timeline) on."""

    at: float
    text: str
    speaker: str = "S1"

    @property
    def words(self) -> list[Word]:
        texts = enumerate(self.text.split())
        return [
            Word(round((self.at + i * 0.3) * SAMPLE_RATE), round((self.at + (i + 0.9) * 0.3) * SAMPLE_RATE), f" {t}", 1)
            for i, t in texts
        ]


def voice(lines: Sequence[Line], begun: float = 0) -> Source:
    """A publisher who says them: loud where a word is, on a timeline on which it begins at `begun` seconds."""
    spans = [(word.start, word.end) for line in lines for word in line.words]

    def source(said: int) -> Samples:
        at = said + round(begun * SAMPLE_RATE)
        loud = any(start < at + PACKET and end > at for start, end in spans)
        return tone(said) if loud else np.zeros(PACKET, np.float32)

    return source


class Hearing:
    """A lane. What it was given is in `heard`, one array for each ear, and begins at `start`."""

    def __init__(
        self, service: ScriptedCaptions, options: CaptionOptions, start: int, on_items: OnItems, memory: LaneMemory
    ) -> None:
        self.options = options
        self.start = start
        self.restored = memory
        self.memory = LaneMemory({"start": start, **memory.values})
        self.heard = {ear: np.zeros(0, np.float32) for ear in Ear}
        self.pieces: list[int] = []
        self.finished = self.closed = False
        self._service = service
        self._on_items = on_items
        self._said = 0
        self._shown = 0

    @property
    def position(self) -> int:
        return self.start + len(self.heard[Ear.WORDS])

    @property
    def backlog(self) -> int:
        return self.position - self._said

    def push(self, ear: Ear, frame: AudioFrame) -> None:
        assert not self.finished
        assert frame.start == self.start + len(self.heard[ear])
        self.heard[ear] = np.concatenate((self.heard[ear], frame.samples))
        self.pieces.append(len(frame.samples))
        if ear is Ear.WORDS and not self._service.deaf:
            self._hear(self.position - HESITATES)

    def loud(self, start: int, end: int, ear: Ear = Ear.WORDS) -> bool:
        return level(self.heard[ear][max(0, start - self.start) : max(0, end - self.start)]) > LOUD

    def _hear(self, sure: int) -> None:
        """Say what is sure up to there, and show the rest."""
        items: list[LaneItem] = []
        for line in self._service.lines:
            words = [word for word in line.words if self.loud(word.start + SAMPLE_RATE // 10, word.end)]
            new = [word for word in words if self._said < word.end <= sure]
            if new and new[0] is words[0]:
                items.append(SpeechStart(new[0].start, new[0].start))
            items += new
            if new:
                turn = SpeakerTurn(new[0].start, new[-1].end, line.speaker, 1.0)
                items.append(Turns((turn,), new[-1].end))
            shown = [word for word in words if sure < word.end <= self.position]
            if len(shown) != self._shown:
                self._shown = len(shown)
                items.append(Interim(tuple(shown)))
            if words and self._said < words[-1].end + SAMPLE_RATE // 2 <= sure:
                items.append(SpeechEnd(words[-1].end, words[-1].end))
        self._said = max(self._said, sure)
        self.say(*items, Turns((), sure), Watermark(sure))

    def say(self, *items: LaneItem) -> None:
        """As if the models had said it."""
        asyncio.get_running_loop().call_soon(self._tell, items)

    def _tell(self, items: Sequence[LaneItem]) -> None:
        if not self.closed:
            self._on_items(items)

    def finish(self) -> None:
        self.finished = True
        if not self._service.deaf:
            self._hear(self.position)
            self.say(Finished())

    def close(self) -> None:
        self.closed = True


@dataclass
class ScriptedCaptions:
    """`refuses` is raised by `open`; while `deaf` nothing is said at all."""

    lines: list[Line] = field(default_factory=list)
    status: CaptionerStatus = READY
    refuses: Exception | None = None
    deaf: bool = False
    lanes: list[Hearing] = field(default_factory=list)
    listeners: list[Callable[[CaptionerStatus], None]] = field(default_factory=list)
    running: bool = False

    def subscribe(self, listener: Callable[[CaptionerStatus], None]) -> Callable[[], None]:
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener)

    def open(
        self, options: CaptionOptions, start: int, on_items: OnItems, memory: LaneMemory | None = None
    ) -> CaptionLane:
        if self.refuses is not None:
            raise self.refuses
        self.lanes.append(Hearing(self, options, start, on_items, memory or LaneMemory()))
        return self.lanes[-1]

    def tell(self, status: CaptionerStatus) -> None:
        self.status = status
        for listener in list(self.listeners):
            listener(status)

    async def start(self) -> None:
        self.running = True

    async def close(self) -> None:
        self.running = False


TALK = [Line(0.5, "Good morning everybody."), Line(3.0, "And to you.", "S2"), Line(5.5, "Let us begin now.")]

T = TypeVar("T", bound=CaptionOutput)


def told(studio: Studio, kind: type[T]) -> list[T]:
    return [item for item in studio.said if isinstance(item, kind)]


def finals(studio: Studio) -> list[CaptionInfo]:
    """Every caption that became final, as it was told then."""
    return [item.caption for item in told(studio, CaptionTold) if item.kind == "final"]


def texts(studio: Studio) -> list[tuple[list[str], str]]:
    return [(caption.speakers, caption.text) for caption in finals(studio)]


async def ended_log(studio: Studio, stream_id: str = "stream-1") -> list[dict[str, Any]]:
    """End the stream, whose event log is whole then, and read that."""
    await studio.host.end(stream_id, "ended")
    await studio.host.settle()
    return log_lines(studio.folder(stream_id))


def log_lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
