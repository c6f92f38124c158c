"""All streams of the worker at their models: who is heard next, how often, and what is told to whom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from server.audio.frame import AudioFrame
from server.clock import SAMPLE_RATE
from server.errors import InvalidRequest
from server.inference.caption_lane import CaptionOptions, Ear, Finished, LaneItem, Urgency, VoicePrints
from server.inference.captioning.desk import Desk
from server.inference.captioning.heard_stream import HeardStream
from server.inference.captioning.models import Models
from server.inference.captioning.speaker_stream import SpeakerStream
from server.speech.heard import Heard
from server.speech.processor import Failure, Request
from server.speech.schedule import Pace
from server.speech.transcriber import Resume, TranscriberSettings

MOST_STREAMS = 256
"""Of one worker; more are refused."""

EVERYTHING = 1 << 62
"""A sample that no audio reaches."""

MOST_SPEAKERS = 16
"""Streams that the diarizer hears at once."""

Key = tuple[int, int]
"""Connection and lane."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a stream says now, and from which sample on (48 kHz) its audio is still needed, for each ear."""

    items: Sequence[LaneItem]
    words: int
    speakers: int


@dataclass(frozen=True, slots=True)
class Opening:
    """How a stream begins, or goes on where another worker left it."""

    options: CaptionOptions
    resume: Resume
    voices: VoicePrints | None = None


class _Stream:
    """The two halves of a stream."""

    def __init__(self, words: HeardStream | None, speakers: SpeakerStream | None, file: bool) -> None:
        self.words = words
        self.speakers = speakers
        self.file = file
        self.finished = False
        self.told = (0, 0)

    @property
    def needed(self) -> tuple[int, int]:
        """From which sample on audio is needed, for words and for speakers; of a file nothing that nobody hears."""
        nobody = EVERYTHING if self.file else 0
        words = self.words.needed if self.words is not None else nobody
        return words, self.speakers.needed if self.speakers is not None else nobody


class Engine:
    """For one event loop. `tell(key, told)` is called with what a stream has to say."""

    def __init__(
        self,
        models: Models,
        settings: TranscriberSettings,
        batch: int,
        now: Callable[[], int],
        tell: Callable[[Key, Told], None],
        begins: Callable[[Sequence[Key]], None] = lambda keys: None,
    ) -> None:
        """`now` is the clock in 48 kHz samples; `begins` is told whose windows the recogniser takes next."""
        self._models = models
        self._settings = settings
        self._now = now
        self._tell = tell
        self._streams: dict[Key, _Stream] = {}
        self._pace = Pace()
        self.heard = 0
        """Samples of audio that were pushed for their words."""
        self._transcribe = None
        if models.transcribe is not None:
            self._transcribe = Desk[Key](
                *("transcribe", models.transcribe, self._words_answered, now),
                most=batch,
                alike=models.alike if batch > 1 else None,
                begins=begins,
                spent=self._spent,
            )
        self._voice = Desk[Key]("voice", models.voice, self._words_answered, now)
        self._speakers = Desk[Key]("speakers", self._hear_speakers, self._speakers_answered, now, most=MOST_SPEAKERS)
        # A recording of hours takes seconds to conclude: the models hear live streams meanwhile.
        self._endings = Desk[Key]("endings", self._conclude, self._concluded, now)

    @property
    def _desks(self) -> list[Desk[Key]]:
        every = (self._transcribe, self._voice, self._speakers, self._endings)
        return [desk for desk in every if desk is not None]

    @property
    def hears(self) -> dict[Ear, bool]:
        """Whether there is a model for each ear."""
        return {Ear.WORDS: self._transcribe is not None, Ear.SPEAKERS: self._models.diarizer is not None}

    @property
    def busy(self) -> int:
        """Samples of the clock that the recogniser worked."""
        return self._transcribe.busy if self._transcribe is not None else 0

    @property
    def at_it(self) -> int:
        """How long the slowest model has been at its present batch, samples of the clock."""
        return max(desk.at_it for desk in self._desks)

    @property
    def dropped(self) -> int:
        return self._transcribe.dropped if self._transcribe is not None else 0

    @property
    def step(self) -> int:
        return max(self._settings.step, self._pace.step(self._speaking()))

    @property
    def backlog(self) -> int:
        """Undecided audio of the live stream that waits longest, samples."""
        heard = [stream.words for stream in self._streams.values() if stream.words is not None]
        return max((words.backlog for words in heard if words.live), default=0)

    def open(self, key: Key, opening: Opening) -> None:
        """Raises InvalidRequest when there are too many."""
        if len(self._streams) >= MOST_STREAMS:
            raise InvalidRequest("The caption worker hears no more streams.")
        words = speakers = None
        if self._models.transcribe is not None:
            words = HeardStream(
                opening.options, self._settings, opening.resume, lambda request: self._ask_words(key, request)
            )
        if self._models.diarizer is not None:
            speakers = SpeakerStream(
                self._models.diarizer,
                opening.options,
                opening.voices,
                lambda request: self._ask_speakers(key, request),
            )
        self._streams[key] = _Stream(words, speakers, opening.options.urgency is Urgency.FILE)
        self._set_steps()

    def push(self, key: Key, ear: Ear, frame: AudioFrame, decided: int) -> None:
        """The next audio of a stream; what no model hears is not kept. Raises ValueError when it does not follow."""
        stream = self._streams.get(key)
        if stream is None or stream.finished:
            return
        if ear is Ear.WORDS and stream.words is not None:
            self.heard += len(frame.samples)
            stream.words.push(frame, self._now(), decided)
        elif ear is Ear.SPEAKERS and stream.speakers is not None:
            stream.speakers.push(frame, self._now())
        self._told(key)

    def finish(self, key: Key) -> None:
        stream = self._streams.get(key)
        if stream is None or stream.finished:
            return
        stream.finished = True
        for half in (stream.words, stream.speakers):
            if half is not None:
                half.flush()
        self._told(key)

    def leave(self, key: Key) -> None:
        self._streams.pop(key, None)
        for desk in self._desks:
            desk.leave(key)

    def keys(self) -> list[Key]:
        return list(self._streams)

    def close(self) -> None:
        for desk in self._desks:
            desk.close()

    # ---- requests and answers

    def _ask_words(self, key: Key, request: Request) -> None:
        stream = self._streams.get(key)
        desk = self._voice if request.model == "vad" else self._transcribe
        if stream is not None and stream.words is not None and desk is not None:
            desk.ask(key, request, stream.words.due(request))

    def _words_answered(self, key: Key, request: Request, value: Any) -> None:
        stream = self._streams.get(key)
        if stream is not None and stream.words is not None:
            stream.words.answer(request, value)
            self._told(key)

    def _ask_speakers(self, key: Key, request: Request) -> None:
        stream = self._streams.get(key)
        if stream is not None and stream.speakers is not None:
            due = request.deadline + stream.speakers.offset if stream.speakers.live else None
            self._speakers.ask(key, _addressed(request, key), due)

    def _hear_speakers(self, requests: Sequence[Request]) -> list[Any]:
        """In the diarizer's thread."""
        assert self._models.diarizer is not None
        pushed: list[tuple[Any, Heard | None]] = []
        places: list[int | None] = []
        for request in requests:
            stream = self._streams.get(_sender(request))
            gone = stream is None or stream.speakers is None
            places.append(None if gone else len(pushed))
            if stream is not None and stream.speakers is not None:
                pushed.append(stream.speakers.prepare(request))
        said = self._models.diarizer.hear(pushed)
        return [[] if place is None else said[place] for place in places]

    def _speakers_answered(self, key: Key, request: Request, value: Any) -> None:
        stream = self._streams.get(key)
        if stream is not None and stream.file and request.options["ended"] and not isinstance(value, Failure):
            self._endings.ask(key, request, None)
        else:
            self._concluded(key, request, value)

    def _conclude(self, requests: Sequence[Request]) -> list[Any]:
        """In a thread of its own, one recording after the other: the queue is as long as there are files."""
        heard = [self._streams.get(_sender(request)) for request in requests]
        return [[] if one is None or one.speakers is None else one.speakers.conclude() for one in heard]

    def _concluded(self, key: Key, request: Request, value: Any) -> None:
        stream = self._streams.get(key)
        if stream is not None and stream.speakers is not None:
            stream.speakers.answer(request, value)
            self._told(key)

    def _told(self, key: Key) -> None:
        stream = self._streams[key]
        items: list[LaneItem] = []
        for half in (stream.words, stream.speakers):
            if half is not None and half.said:
                items += half.said
                half.said = []
        done = all(half is None or half.done for half in (stream.words, stream.speakers))
        if stream.finished and done:
            items.append(Finished())
        told = stream.needed
        if items or (stream.file and told != stream.told):
            stream.told = told
            self._tell(key, Told(items, *told))
        if stream.finished and done:
            self.leave(key)

    # ---- pace

    def _speaking(self) -> int:
        heard = [stream.words for stream in self._streams.values() if stream.words is not None]
        return sum(words.speaking and words.live for words in heard)

    def _spent(self, samples: int, streams: int) -> None:
        self._pace.spent(samples, streams)
        self._set_steps()

    def _set_steps(self) -> None:
        step = self._pace.step(self._speaking())
        for stream in self._streams.values():
            if stream.words is not None:
                stream.words.step(step)


def _addressed(request: Request, key: Key) -> Request:
    options = {**request.options, "line": key[0], "lane": key[1]}
    return Request(request.id, request.model, request.arrays, request.deadline, request.droppable, options)


def _sender(request: Request) -> Key:
    return int(request.options["line"] or 0), int(request.options["lane"] or 0)


def clock(seconds: float) -> int:
    """The engine's clock at a time in seconds."""
    return round(seconds * SAMPLE_RATE)
