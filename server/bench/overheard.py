"""A server whose caption lanes are written to a file: which turns were told is in none of its events.

`python -m server.bench.overheard FILE` is `clearcast serve` otherwise; the file is there once it has stopped.
"""

from __future__ import annotations

import asyncio
import json
import runpy
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from server.audio.frame import AudioFrame, Samples
from server.errors import Unavailable
from server.inference.caption_lane import (
    CaptionLane,
    CaptionOptions,
    Ear,
    LaneItem,
    LaneMemory,
    OnItems,
    TurnRevision,
    Turns,
)
from server.inference.captioning import service
from server.inference.captioning.items import from_plain, to_plain
from server.speech.processor import SpeakerTurn

SPAN = 96
"""Samples (48 kHz) to one value of a loudness curve: 2 ms."""
_SEARCHED = 4 * 500
"""Values by which a stream's timeline may be off: 4 s."""

Who = Turns | TurnRevision


@dataclass
class _Lane:
    """What is kept of a lane: what was told of who speaks, and how loud the audio was that it says this of."""

    start: int
    said: list[Any] = field(default_factory=list)
    curve: list[int] = field(default_factory=list)


def program(file: Path) -> tuple[str, ...]:
    """What Python is to run, for `local_server`."""
    return ("-m", "server.bench.overheard", str(file))


def who(file: Path, audio: Samples) -> list[list[Who]]:
    """What was told of who speaks, for each lane in the order in which they were opened, on the timeline of `audio`.

    A stream begins when its first packet comes, so its timeline is found by the loudness. Raises Unavailable.
    """
    try:
        lanes = [_Lane(**lane) for lane in json.loads(file.read_text())]
    except (OSError, ValueError) as error:
        raise Unavailable("The server has not written down who spoke.") from error
    return [_moved(lane, lane.start + SPAN * later(loudness(audio), np.array(lane.curve))) for lane in lanes]


def loudness(samples: Samples) -> NDArray[np.int64]:
    """The largest sample of each 2 ms, 16 bits."""
    whole = samples[: len(samples) // SPAN * SPAN].reshape(-1, SPAN)
    curve: NDArray[np.int64] = np.round(32_767 * np.abs(whole).max(axis=1)).astype(np.int64)
    return curve


def later(first: NDArray[np.int64], second: NDArray[np.int64]) -> int:
    """By how many values what is in the first comes later in the second, as far as they are alike at all."""
    size = 1 << (len(first) + len(second)).bit_length()
    spectra = np.fft.rfft(second - second.mean(), size) * np.conj(np.fft.rfft(first - first.mean(), size))
    alike = np.fft.irfft(spectra, size)
    around = np.arange(-_SEARCHED, _SEARCHED + 1)
    return int(around[np.argmax(alike[around])])


def _moved(lane: _Lane, by: int) -> list[Who]:
    """The items `by` samples earlier."""

    def moved(turns: Sequence[SpeakerTurn]) -> tuple[SpeakerTurn, ...]:
        return tuple(replace(turn, start=turn.start - by, end=turn.end - by) for turn in turns)

    items: list[Who] = []
    for item in map(from_plain, lane.said):
        if isinstance(item, Turns):
            items.append(Turns(moved(item.turns), item.watermark - by))
        elif isinstance(item, TurnRevision):
            items.append(TurnRevision(item.start - by, item.end - by, moved(item.turns)))
    return items


class OverheardLane:
    """Passes everything on; see `CaptionLane`."""

    def __init__(self, lane: CaptionLane, kept: _Lane) -> None:
        self._lane = lane
        self._kept = kept
        self._rest: Samples = np.zeros(0, np.float32)

    def push(self, ear: Ear, frame: AudioFrame) -> None:
        if ear is Ear.SPEAKERS:
            samples = np.concatenate([self._rest, frame.samples])
            self._kept.curve += loudness(samples).tolist()
            self._rest = samples[len(samples) // SPAN * SPAN :]
        self._lane.push(ear, frame)

    @property
    def backlog(self) -> int:
        return self._lane.backlog

    @property
    def memory(self) -> LaneMemory:
        return self._lane.memory

    def finish(self) -> None:
        self._lane.finish()

    def close(self) -> None:
        self._lane.close()


class OverheardService(service.WorkerCaptionService):
    """Passes everything on, and keeps what is said of who speaks."""

    file: Path

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._kept: list[_Lane] = []

    def open(
        self, options: CaptionOptions, start: int, on_items: OnItems, memory: LaneMemory | None = None
    ) -> CaptionLane:
        kept = _Lane(start)

        def hear(items: Sequence[LaneItem]) -> None:
            kept.said.extend(to_plain(item) for item in items if isinstance(item, Turns | TurnRevision))
            on_items(items)

        lane = super().open(options, start, hear, memory)
        self._kept.append(kept)
        return OverheardLane(lane, kept)

    async def close(self) -> None:
        await super().close()
        await asyncio.to_thread(self.file.write_text, json.dumps([vars(kept) for kept in self._kept]))


def main() -> None:
    OverheardService.file = Path(sys.argv[1])
    service.WorkerCaptionService = OverheardService  # type: ignore[misc]
    sys.argv = ["clearcast", "serve"]
    runpy.run_module("server", run_name="__main__")


if __name__ == "__main__":
    main()
