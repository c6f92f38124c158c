"""A stream's lane on the server's side: its audio until it is decided, and what was said so far.

Whatever becomes of the worker, the next one is told the last words and gets the audio again from where they may be
decoded once more; what it then says of decided time is not repeated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from server.audio.frame import AudioFrame
from server.clock import SAMPLE_RATE
from server.errors import Unavailable
from server.inference.caption_lane import (
    CaptionOptions,
    Ear,
    Finished,
    LaneItem,
    LaneMemory,
    LanguageHeard,
    OnItems,
    Refused,
    TurnRevision,
    Turns,
    Urgency,
    VoicePrints,
)
from server.inference.captioning.items import options_values, voice_values, word_values
from server.inference.captioning.tape import Tape
from server.log import get_logger
from server.queues import Policy, Queue
from server.speech.processor import Watermark, Word
from server.speech.transcriber import Gap, Interim
from server.speech.vad import SpeechEnd, SpeechStart

PIECE = SAMPLE_RATE // 25
"""New audio that is worth sending: 40 ms."""
MOST = SAMPLE_RATE
"""Audio in one frame, at most."""
UNDECIDED = 60 * SAMPLE_RATE
"""Undecided audio that a live stream keeps while nobody hears it."""
CONTEXT = 10 * SAMPLE_RATE
"""Audio before the last turns that a diarizer is given again, to know the voices by."""
SLACK = 5 * SAMPLE_RATE
"""So much more before some is dropped: a gap for every frame would be noise."""
TAPE_S = 90
"""Seconds of audio that a lane keeps: what is undecided, and the window in which it is decoded."""
DEATHS = 3
"""Workers that may die of one window before it is left out: the first may have been ended by a person."""
REMEMBERED = 64
"""Committed words that a worker is told, beyond those in the audio it gets."""

TAPE = Queue(
    "caption_tape",
    TAPE_S,
    Policy.OLDEST,
    holds="seconds of a stream's audio that is not written down yet",
    drop="The caption worker was away or behind for a minute: a gap in the captions, which the final pass fills.",
)


log = get_logger(__name__)


class Line(Protocol):
    """The way to the worker, as a lane sees it."""

    @property
    def connected(self) -> bool: ...

    @property
    def writable(self) -> bool: ...

    def send(self, kind: str, lane: int, values: Mapping[str, Any], *arrays: Any) -> None: ...

    def leave(self, lane: int) -> None: ...


class WorkerCaptionLane:
    """See `CaptionLane`."""

    def __init__(
        self, line: Line, number: int, options: CaptionOptions, start: int, on_items: OnItems, memory: LaneMemory | None
    ) -> None:
        known = dict(memory.values) if memory is not None else {}
        self.number = number
        self.options = options
        self._line = line
        self._on_items = on_items
        self._tapes = {Ear.WORDS: Tape(start), Ear.SPEAKERS: Tape(start)}
        self._committed: list[list[Any]] = list(known.get("committed", []))
        self._language: str | None = known.get("language")
        self._voices: Any = known.get("voices")
        self._reached = start
        self._turns_reached = self._turns_floor = start
        self._heard_to = start
        self._anew = False
        self._shown = False
        self._speaking = False
        self._finishing = False
        self._finish_sent = False
        self._over = False
        self._died_at, self._deaths = -1, 0
        self._heard = {Ear.WORDS: True, Ear.SPEAKERS: True}
        TAPE.measure(self, WorkerCaptionLane.kept)

    def kept(self) -> int:
        """Seconds of audio on the longer tape."""
        return max(len(tape) for tape in self._tapes.values()) // SAMPLE_RATE

    @property
    def backlog(self) -> int:
        tapes = self._tapes.values() if self.file else [self._tapes[Ear.WORDS]]
        decided = self._heard_to if self.file else self._reached
        return max(0, *(tape.end - max(decided, tape.begun) for tape in tapes))

    @property
    def memory(self) -> LaneMemory:
        return LaneMemory(
            {
                "committed": [list(entry) for entry in self._committed[-REMEMBERED:]],
                "language": self._language,
                "voices": self._voices,
            }
        )

    @property
    def file(self) -> bool:
        """Whether it can be heard again from its beginning: then nothing is kept."""
        return self.options.urgency is Urgency.FILE

    # ---- from the stream

    def push(self, ear: Ear, frame: AudioFrame) -> None:
        """Raises ValueError when the frame does not follow, Unavailable when a file comes faster than it is heard."""
        if self._over or self._finishing or not self._heard[ear]:
            return
        tape = self._tapes[ear]
        if self.file and tape.unsent >= TAPE_S * SAMPLE_RATE:
            raise Unavailable("The file comes faster than it can be heard.", code="captions-behind")
        tape.append(frame)
        if not self.file:
            self._shorten(ear, tape)
        if tape.unsent >= PIECE:
            self.pump()

    def finish(self) -> None:
        self._finishing = True
        self.pump()

    def close(self) -> None:
        if not self._over:
            self._over = True
            self._line.leave(self.number)

    # ---- to the worker

    def opens(self, heard: Mapping[Ear, bool]) -> dict[str, Any]:
        """A worker is there: what it is told first. `heard` says which ears have a model; the tapes are sent again."""
        self._heard = dict(heard)
        self._finish_sent = False
        for ear, tape in self._tapes.items():
            if not self._heard[ear]:
                tape.forget(tape.end)
            tape.again()
        self._anew, self._turns_floor = True, self._turns_reached
        start = self._tapes[Ear.WORDS].start
        recent = [entry for entry in self._committed if entry[1] > start]
        count = max(REMEMBERED, len(recent))
        memory = {"committed": self._committed[-count:], "language": self._language, "voices": self._voices}
        return {"options": options_values(self.options), "memory": memory}

    def pump(self) -> None:
        """Send what there is room for."""
        for ear, tape in self._tapes.items():
            while self._line.writable and tape.unsent >= (1 if self._finishing else PIECE):
                frame = tape.take(MOST)
                values = {"ear": ear.value, "start": frame.start, "decided": self._reached}
                self._line.send("audio", self.number, values, frame.samples)
            if self.file:  # a file can be read again
                tape.forget(tape.sent)
        sent = not any(tape.unsent for tape in self._tapes.values())
        if self._finishing and sent and not self._finish_sent and self._line.writable:
            self._finish_sent = True
            self._line.send("finish", self.number, {})

    # ---- from the worker

    def said(self, items: Sequence[LaneItem], words: int, speakers: int) -> None:
        """What the worker says; audio before `words` and `speakers` it does not need again."""
        if self._over:
            return
        self._heard_to = min(words, speakers)
        told = [kept for item in items for kept in self._kept(item)]
        self._tapes[Ear.WORDS].forget(words)
        self._tapes[Ear.SPEAKERS].forget(speakers - CONTEXT)
        while len(self._committed) > REMEMBERED and self._committed[0][1] <= self._tapes[Ear.WORDS].start:
            self._committed.pop(0)
        if any(isinstance(item, Finished) for item in told):
            self.close()
        if told:
            self._on_items(told)

    def lost(self) -> None:
        """The worker is gone; nobody hears who speaks until another is there."""
        self._finish_sent = False
        if self._speaking and not self._over:
            self._speaking = False
            at = self._tapes[Ear.WORDS].end
            self._on_items([SpeechEnd(at, at)])

    def refused(self, reason: str) -> None:
        """The worker does not hear this lane, and no other will while it is as it is."""
        if self._over:
            return
        self.lost()
        self._over = True
        self._on_items([*([Interim(())] if self._shown else []), Refused(reason)])

    def died(self) -> None:
        """A worker died while it heard this lane; of the same window the third one has died in vain."""
        self._deaths = self._deaths + 1 if self._died_at == self._reached else 1
        self._died_at = self._reached
        if self._deaths < DEATHS or self.file or self._over:
            return
        tape = self._tapes[Ear.WORDS]
        log.error("a piece of audio ends the caption worker each time, it is left out", start=self._reached)
        tape.forget(tape.sent)
        self._miss(tape.start, "the model died of it")

    def _miss(self, before: int, reason: str) -> None:
        """Nothing that was said until then, and was not decided, will be written down live."""
        if before > self._reached:
            gap = Gap(self._reached, before, reason)
            self._reached = before
            self._on_items([gap, Watermark(before)])

    def _kept(self, item: LaneItem) -> Iterator[LaneItem]:
        """The item, unless it was said before."""
        if isinstance(item, Turns | TurnRevision):
            yield from self._who(item)
            return
        if self._known(item):
            return
        match item:
            case Word():
                self._committed.append(word_values(item))
            case Watermark(sample):
                self._reached = sample
            case Gap(start):
                item = replace(item, start=max(start, self._reached))
            case SpeechStart() | SpeechEnd():
                self._speaking = isinstance(item, SpeechStart)
            case LanguageHeard(language):
                self._language = language
            case VoicePrints():
                self._voices = voice_values(item)
        yield from self._withdrawn(item)
        yield item

    def _known(self, item: LaneItem) -> bool:
        match item:
            case Watermark(sample):
                return sample <= self._reached
            case Gap(_, end):
                return end <= self._reached
            case SpeechStart():
                return self._speaking
            case SpeechEnd():
                return not self._speaking
            case LanguageHeard(language):
                return language == self._language
        return False

    def _withdrawn(self, item: LaneItem) -> Iterator[LaneItem]:
        """A new worker does not know what the one before had shown and not committed."""
        if self._anew and self._shown and isinstance(item, Word | Watermark):
            yield Interim(())
            self._shown = False
        if isinstance(item, Word | Watermark | Interim):
            self._anew = False
        if isinstance(item, Interim):
            self._shown = bool(item.words)

    def _who(self, item: Turns | TurnRevision) -> Iterator[LaneItem]:
        """Turns from where another worker went on; it heard what lies before only to know the voices."""
        floor = self._turns_floor
        if isinstance(item, TurnRevision):
            if item.start >= floor:
                yield item
            return
        if item.watermark <= floor:
            return
        self._turns_reached = max(self._turns_reached, item.watermark)
        turns = (replace(turn, start=max(turn.start, floor)) for turn in item.turns if turn.end > floor)
        yield replace(item, turns=tuple(turns))

    # ---- too much

    def _shorten(self, ear: Ear, tape: Tape) -> None:
        """Nobody has heard the audio for too long: the oldest goes, and is said to be missing."""
        most = TAPE_S * SAMPLE_RATE if self._line.connected else UNDECIDED
        if len(tape) <= most + SLACK:
            return
        before = min(tape.end - most, tape.sent if self._line.connected else tape.end)
        TAPE.dropped += max(0, before - tape.start) // SAMPLE_RATE
        tape.forget(before)
        if ear is Ear.SPEAKERS and before > self._turns_reached:
            self._turns_reached = before
            self._on_items([Turns((), before)])
        elif ear is Ear.WORDS:
            self._miss(before, "nobody heard it")
