"""A lane for files that hears what a script says, through the real policies: no process, no model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from server.audio.frame import AudioFrame, Samples
from server.clock import SAMPLE_RATE
from server.inference.caption_lane import (
    CaptionLane,
    CaptionOptions,
    Ear,
    Finished,
    LaneMemory,
    OnItems,
    Turns,
    VoicePrints,
)
from server.speech.listening import FileListening
from server.speech.offline import OfflineSettings
from server.speech.processor import Request, SpeakerTurn
from tests.speech.scripted import Line, ScriptedTalk, scripted_vad


class ScriptedFiles:
    """Opens lanes; each hears `lines`, and says `turns` at its end. `lose_at`: seconds after which one is lost."""

    def __init__(
        self,
        lines: Sequence[Line],
        turns: Sequence[SpeakerTurn],
        prints: VoicePrints | None = None,
        lose_at: float | None = None,
    ) -> None:
        self.lines = lines
        self.turns = tuple(turns)
        self.prints = [prints] if prints is not None else []
        self.lose_at = lose_at
        self.opened: list[CaptionOptions] = []
        self.most_ahead = 0
        self.talk = ScriptedTalk(lines)
        self.heard: dict[Ear, list[Samples]] = {ear: [] for ear in Ear}
        """What each ear of all lanes was given."""

    async def __call__(self, options: CaptionOptions, on_items: OnItems, on_lost: Callable[[str], None]) -> CaptionLane:
        self.opened.append(options)
        return _Lane(self, options, on_items, on_lost)


class _Lane:
    """Answers every request in a later turn of the event loop."""

    memory = LaneMemory()

    def __init__(
        self, files: ScriptedFiles, options: CaptionOptions, on_items: OnItems, on_lost: Callable[[str], None]
    ) -> None:
        self._files = files
        self._on_items = on_items
        self._on_lost = on_lost
        settings = OfflineSettings(language=options.language, vocabulary=options.vocabulary)
        self._listening = FileListening(transcriber=settings)
        self._closed = False
        self._finishing = False

    def push(self, ear: Ear, frame: AudioFrame) -> None:
        self._files.heard[ear].append(frame.samples)
        if ear is not Ear.WORDS:
            return
        self._take(self._listening.push(frame))
        self._files.most_ahead = max(self._files.most_ahead, self.backlog)
        if self._files.lose_at is not None and frame.end > self._files.lose_at * SAMPLE_RATE:
            self.close()
            self._on_lost("The caption worker has stopped.")

    @property
    def backlog(self) -> int:
        return self._listening.backlog

    def finish(self) -> None:
        self._finishing = True
        self._take(self._listening.flush())
        self._end()

    def close(self) -> None:
        self._closed = True

    def _take(self, items: Sequence[object]) -> None:
        told = []
        for item in items:
            if isinstance(item, Request):
                asyncio.get_running_loop().call_soon(self._answer, item)
            else:
                told.append(item)
        if told and not self._closed:
            self._on_items(told)  # type: ignore[arg-type]

    def _answer(self, request: Request) -> None:
        if self._closed:
            return
        answer = scripted_vad(request) if request.model == "vad" else self._files.talk(request)
        self._take(self._listening.result(request.id, answer))
        self._end()

    def _end(self) -> None:
        if self._finishing and self._listening.done and not self._closed:
            self._finishing = False
            self._on_items([Turns(self._files.turns, 0), *self._files.prints, Finished()])
