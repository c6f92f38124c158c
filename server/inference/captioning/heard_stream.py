"""One stream inside the worker: its policies, what they say, and how far it may be forgotten."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from server.audio.frame import AudioFrame
from server.clock import SAMPLE_RATE
from server.inference.caption_lane import CaptionOptions, LaneItem, LanguageHeard, Urgency
from server.speech.listening import FileListening, Listening, Said
from server.speech.offline import OfflineSettings
from server.speech.processor import Request
from server.speech.transcriber import Resume, TranscriberSettings
from server.speech.vad import SpeechEnd, SpeechStart
from server.speech.windows import WindowSettings

BACKLOG = 60 * SAMPLE_RATE
"""Undecided audio of a live stream from which on it is given up: a gap that is filled once the stream is over."""

Ask = Callable[[Request], None]


class HeardStream:
    """Words of one stream. Items that are to be told collect in `said`; `ask` carries requests to the models."""

    def __init__(self, options: CaptionOptions, settings: TranscriberSettings, resume: Resume, ask: Ask) -> None:
        self.options = options
        self.said: list[LaneItem] = []
        self.speaking = False
        self.offset: int | None = None
        """Clock of the worker less the stream's time at its live edge, 48 kHz samples."""
        self._ask = ask
        settings = replace(
            settings,
            language=options.language or settings.language,
            task="translate" if options.translate else "transcribe",
            vocabulary=options.vocabulary,
        )
        self.live = options.urgency is Urgency.LIVE
        self._listening: Listening | FileListening
        if self.live:
            self._listening = Listening(transcriber=settings, resume=resume)
        else:
            self._listening = FileListening(transcriber=_offline(settings))
        self._language = self._listening.transcriber.language.kept
        self._shortest = settings.step
        self._decided = 0
        self.step(0)

    @property
    def done(self) -> bool:
        return self._listening.done

    @property
    def backlog(self) -> int:
        return self._listening.backlog

    @property
    def needed(self) -> int:
        """Audio from this sample (48 kHz) on would be needed to begin again."""
        return self._listening.needed

    def step(self, samples: int) -> None:
        """How much new audio there is to be before the next decoding, at least."""
        if isinstance(self._listening, Listening):
            self._listening.transcriber.step = max(self._shortest, samples)

    def due(self, request: Request) -> int | None:
        """When an answer is wanted on the worker's clock; None for a file."""
        return request.deadline + (self.offset or 0) if self.live else None

    def push(self, frame: AudioFrame, now: int, decided: int = 0) -> None:
        """The next audio; all before `decided` was told before. Raises ValueError when it does not follow."""
        self.offset = now - frame.end
        self._decided = max(self._decided, decided)
        self._take(self._listening.push(frame))
        if (
            isinstance(self._listening, Listening)
            and frame.end - max(self._decided, self._listening.transcriber.reached) > BACKLOG
        ):
            self._take(self._listening.skip("too slow"))

    def flush(self) -> None:
        self._take(self._listening.flush())

    def answer(self, request: Request, value: Any) -> None:
        self._take(self._listening.result(request.id, value))

    def _take(self, items: Iterable[Said | Request]) -> None:
        kept = self._listening.transcriber.language.kept
        if kept is not None and kept != self._language:
            self._language = kept
            self.said.append(LanguageHeard(kept))
        for item in items:
            if isinstance(item, Request):
                self._ask(item)
                continue
            if isinstance(item, SpeechStart | SpeechEnd):
                self.speaking = isinstance(item, SpeechStart)
            self.said.append(item)


def _offline(settings: TranscriberSettings) -> OfflineSettings:
    """A file is heard as the model's settings say, as far as they are about files."""
    windows = WindowSettings()
    return OfflineSettings(
        windows=replace(windows, longest=min(windows.longest, settings.window)),
        language=settings.language,
        task=settings.task,
        vocabulary=settings.vocabulary,
        guards=settings.guards,
    )
