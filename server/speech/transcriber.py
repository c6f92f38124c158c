"""Streaming transcription: when to decode what, and which words are final.

While somebody speaks, the audio since the last cut is decoded again every step; words on which two answers in a row
agree are committed (LocalAgreement-2, see `agreement`), guarded by `hypothesis`. The end of speech is always decoded.
All decisions are made at samples of the timeline, so that the same words are committed however the audio is cut into
pushes and however late answers come.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from server.clock import SAMPLE_RATE
from server.speech.agreement import agreed, tail_of
from server.speech.decoded import Decoded
from server.speech.evidence import VoicingTrack, wordless
from server.speech.heard import Heard, HeardBuffer
from server.speech.hypothesis import GuardSettings, Hypothesis, examine
from server.speech.language import LanguageChoice
from server.speech.processor import Failure, Request, Watermark, Word
from server.speech.vad import SpeechEnd, SpeechStart, VadEvent, Voicing

SHORTEST_STEP = SAMPLE_RATE // 2
LONGEST_STEP = 3 * SAMPLE_RATE
_REMEMBERED = 64
"""Committed words that are kept for prompts and to see loops, beyond those in the window."""
_LATE = SAMPLE_RATE // 10
"""Before the end of the voice: whatever word begins later was not said; the voice outlasts words by more."""
_ATTEMPTS = 3
"""How often audio that must be decoded is tried, each time another way."""


@dataclass(frozen=True, slots=True)
class TranscriberSettings:
    """Per model. Durations in 48 kHz samples."""

    step: int = SHORTEST_STEP
    """New audio before the next decoding; `Transcriber.step` stretches it under load."""
    hold_back: int = SAMPLE_RATE // 4
    """Words that end closer to the edge of the audio are not committed: they may go on."""
    trim: int = 12 * SAMPLE_RATE
    """With so much committed audio in the window, it is cut at an end of a segment."""
    window: int = 25 * SAMPLE_RATE
    """The most that is decoded at once; there the window is cut in any case."""
    prompt: int = 200
    """Characters of committed text, already out of the window, that the model is reminded of."""
    forget_prompt: int = 30 * SAMPLE_RATE
    """After so much silence the talk may be about something else."""
    language: str | None = None
    """None: detected, then kept."""
    task: str = "transcribe"
    vocabulary: str = ""
    """Names and jargon that are likely."""
    guards: GuardSettings = field(default_factory=GuardSettings)


@dataclass(frozen=True, slots=True)
class Interim:
    """What seems to have been said since the last committed word; replaces the interim before."""

    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Gap:
    """Speech that could not be transcribed live, from `start` to `end` (48 kHz); the final pass fills it."""

    start: int
    end: int
    reason: str


@dataclass(frozen=True, slots=True)
class Resume:
    """What a new transcriber needs to go on where another stopped."""

    committed: tuple[Word, ...] = ()
    """The last words, oldest first."""
    language: str | None = None


@dataclass(frozen=True, slots=True)
class _Pass:
    """One decoding of the audio from `start` to `end`. `kind`: "step", "chunk" (window full) or "end" (of speech)."""

    kind: str
    start: int
    end: int
    speech_end: int
    attempt: int = 0
    prompted: bool = False
    vocabulary: str = ""
    """As the model was shown it."""


Transcribed = Word | Interim | Gap | Watermark


class Transcriber:
    """`Heard` audio and `VadEvent`s in, each event after the audio it is about; words, interims, gaps, watermarks out.

    Model "transcribe": arrays (16 kHz audio (n,) float32); options `start` (where it stands, for logs), `prompt`,
    `vocabulary`, `language` (None: to be detected), `task`, `thorough` (there is no second try); answer `Decoded`.
    At most one request is open.
    """

    def __init__(
        self, ids: Iterator[int], settings: TranscriberSettings | None = None, resume: Resume | None = None
    ) -> None:
        self.settings = settings or TranscriberSettings()
        resume = resume or Resume()
        self._ids = ids
        self._step = self.settings.step
        self._audio = HeardBuffer()
        self._track = VoicingTrack()
        self._events: deque[tuple[int, SpeechStart | SpeechEnd | Watermark]] = deque()
        self._judged = 0
        self._open: tuple[int, _Pass] | None = None
        self._from: int | None = None
        self._next = 0
        self._committed: list[Word] = list(resume.committed)
        self._prompt_from = 0
        self._bare_until = 0
        """Audio before it is heard without the vocabulary."""
        self._tail: tuple[Word, ...] = ()
        self._shown = False
        self._watermark = 0
        self._tripped = 0
        self.language = LanguageChoice(self.settings.language or resume.language)
        self.trips = 0
        """Hypotheses that a guard threw away."""

    @property
    def step(self) -> int:
        return self._step

    @step.setter
    def step(self, samples: int) -> None:
        """Stretch the step under load, within 0.5 to 3 s; from the next decoding on."""
        self._step = max(SHORTEST_STEP, min(LONGEST_STEP, samples))

    @property
    def reached(self) -> int:
        """The last watermark: everything before it is decided."""
        return self._watermark

    @property
    def needed(self) -> int:
        """Where the audio begins that may be decoded again: words of it may be committed already."""
        return self._watermark if self._from is None else min(self._from, self._watermark)

    def begin(self, sample: int) -> list[Transcribed | Request]:
        """The audio starts at `sample` (48 kHz)."""
        return list(self._reach(sample))

    @property
    def state(self) -> Resume:
        """What a successor needs; audio from `needed` on belongs to it."""
        return Resume(tuple(self._committed[-_REMEMBERED:]), self.language.kept)

    def push(self, item: Heard | VadEvent) -> list[Transcribed | Request]:
        match item:
            case Heard():
                self._audio.append(item)
                return []
            case Voicing():
                self._track.append(item)
                self._judged = item.end
                return list(self._advance())
            case Watermark():
                self._events.append((self._judged, item))
                return list(self._advance())
            case _:
                self._events.append((item.at, item))
                return []

    def result(self, request_id: int, value: Any | Failure) -> list[Transcribed | Request]:
        if self._open is None or self._open[0] != request_id:
            raise KeyError(request_id)
        done, self._open = self._open[1], None
        return [*self._answered(done, value), *self._advance()]

    def flush(self) -> list[Transcribed | Request]:
        end = self._audio.end
        if self._speaks_at_the_end():
            self._events.append((end, SpeechEnd(end, end)))
        self._judged = max(self._judged, end)
        self._events.append((self._judged, Watermark(end)))
        return list(self._advance())

    def _speaks_at_the_end(self) -> bool:
        changes = [event for _, event in self._events if not isinstance(event, Watermark)]
        return isinstance(changes[-1], SpeechStart) if changes else self._from is not None

    def _advance(self) -> Iterator[Transcribed | Request]:
        """Go along the timeline, as far as it is judged, to the next decoding."""
        while self._open is None:
            at = self._events[0][0] if self._events else None
            if self._from is not None and self._next <= self._judged and (at is None or self._next < at):
                kind = "chunk" if self._next >= self._from + self.settings.window else "step"
                yield self._request(_Pass(kind, self._from, self._next, self._next))
            elif at is not None:
                yield from self._event(self._events.popleft()[1])
            else:
                return

    def _event(self, event: SpeechStart | SpeechEnd | Watermark) -> Iterator[Transcribed | Request]:
        match event:
            case SpeechStart():
                if self._committed and event.start - self._committed[-1].end > self.settings.forget_prompt:
                    self._prompt_from = event.start
                self._from = event.start
                self._tripped = 0
                self._plan(event.at)
            case SpeechEnd():
                if self._from is not None:
                    yield self._request(_Pass("end", self._from, min(event.at, self._audio.end), event.end))
            case Watermark() if self._from is None:
                self._forget(event.sample)
                yield from self._reach(event.sample)

    def _plan(self, after: int) -> None:
        """The next decoding: a step later, or when the window is full."""
        assert self._from is not None
        self._next = min(max(after, self._from) + self._step, self._from + self.settings.window)

    def _request(self, todo: _Pass) -> Request:
        number = next(self._ids)
        past = [word for word in self._committed if word.start >= self._prompt_from and word.end <= todo.start]
        prompt = tail_of(past, self.settings.prompt)
        vocabulary = self.settings.vocabulary if todo.attempt == 0 and todo.start >= self._bare_until else ""
        self._open = number, replace(todo, prompted=bool(prompt or vocabulary), vocabulary=vocabulary)
        return Request(
            number,
            "transcribe",
            (self._audio.between(todo.start, todo.end),),
            deadline=todo.end + (self._step if todo.kind == "step" else LONGEST_STEP),
            droppable=todo.kind == "step",
            options={
                "start": todo.start,
                "prompt": prompt,
                "vocabulary": vocabulary,
                "language": self.language.kept,
                "task": self.settings.task,
                "thorough": todo.kind != "step",
            },
        )

    def _answered(self, done: _Pass, value: Any | Failure) -> Iterator[Transcribed | Request]:
        if isinstance(value, Failure):
            hypothesis = Hypothesis((), 0, value.reason, ())
            failed = True
        else:
            assert isinstance(value, Decoded)
            self.language.hear(value, done.end - done.start)
            window = done.start, done.end
            guards = self.settings.guards
            hypothesis = examine(value, window, self._committed, self._track, guards, done.vocabulary)
            if hypothesis.trouble is None and self._left_out(done, hypothesis):
                hypothesis = replace(hypothesis, trouble="wordless", sound=len(hypothesis.words))
            failed = False
        if done.kind == "step":
            yield from self._stepped(done, hypothesis, failed)
        elif hypothesis.trouble is not None and done.attempt + 1 < _ATTEMPTS:
            self._trip(done, failed)
            yield self._request(self._otherwise(done))
        else:
            yield from self._decided(done, hypothesis)

    def _left_out(self, done: _Pass, hypothesis: Hypothesis) -> bool:
        """Whether the model left out what was said: with a prompt that leads it astray, or where it knew better."""
        if not done.prompted and (done.kind == "step" or hypothesis.words or not self._tail):
            return False
        reached = max(done.start, self._committed[-1].end) if self._committed else done.start
        return wordless(hypothesis.words, reached, done.end, self._track, self.settings.guards.evidence)

    def _otherwise(self, done: _Pass) -> _Pass:
        """The same audio for another try: without a prompt, then without what is committed."""
        start = done.start
        if done.attempt and self._committed:
            start = max(start, min(self._committed[-1].end, done.end - SAMPLE_RATE))
        return replace(done, attempt=done.attempt + 1, start=start)

    def _trip(self, done: _Pass, failed: bool) -> None:
        """What the model was told may be the reason for the nonsense: no longer."""
        self._prompt_from = self._committed[-1].end if self._committed else 0
        self._bare_until = done.end
        self.trips += not failed

    def _stepped(self, done: _Pass, hypothesis: Hypothesis, failed: bool) -> Iterator[Transcribed]:
        if hypothesis.trouble is None:
            self._tripped = 0
            count = agreed(self._tail, hypothesis.words)
            while count and hypothesis.words[count - 1].end > done.end - self.settings.hold_back:
                count -= 1
            yield from self._commit(hypothesis.words[:count])
            yield from self._show(hypothesis.words[count:])
            self._cut(hypothesis, count)
        elif not failed:
            self._tripped += 1
            self._trip(done, failed)
            self._tail = ()
            if self._tripped >= _ATTEMPTS and self._committed:
                self._move(self._committed[-1].end)
        self._plan(done.end)

    def _decided(self, done: _Pass, hypothesis: Hypothesis) -> Iterator[Transcribed]:
        """The last word on the audio of a full window or of the end of speech."""
        words = hypothesis.words[: hypothesis.sound]
        if hypothesis.trouble is not None and len(self._tail) > len(words):
            words = self._tail  # the answer before was sound
        if done.kind == "end":
            yield from self._close(done, words, hypothesis.trouble)
            return
        count = agreed(self._tail, words) if hypothesis.trouble is None else 0
        while count and words[count - 1].end > done.end - self.settings.hold_back:
            count -= 1
        if count == 0 or words[count - 1].end < done.start + self.settings.window // 2:
            # No agreement in half a minute: what is not at the edge has to do.
            count = sum(word.end <= done.end - 2 * SAMPLE_RATE for word in words)
        yield from self._commit(words[:count])
        reached = self._committed[-1].end if self._committed else 0
        if count < len(words):
            cut = (reached + words[count].start) // 2 if count else words[0].start
        else:
            cut = done.end - SAMPLE_RATE
        if hypothesis.trouble is not None and max(reached, done.start) < cut:
            yield Gap(max(reached, done.start), cut, hypothesis.trouble)
        self._tail = ()
        self._move(max(cut, done.start + self.settings.window // 2))
        yield from self._show(words[count:])
        yield from self._reach(self._from or 0)
        self._plan(done.end)

    def _close(self, done: _Pass, words: tuple[Word, ...], trouble: str | None) -> Iterator[Transcribed]:
        """The end of speech: everything is committed, nothing of it is decoded again."""
        words = self._begun_in_time(words, done.speech_end)
        latest = done.speech_end + self.settings.guards.evidence.around
        yield from self._commit(tuple(replace(word, end=max(word.start, min(word.end, latest))) for word in words))
        reached = max(done.start, self._committed[-1].end) if self._committed else done.start
        if trouble is not None and reached < done.speech_end:
            yield Gap(reached, done.speech_end, trouble)
        yield from self._show(())
        self._from = None
        yield from self._reach(done.speech_end)
        self._forget(done.speech_end)

    def _begun_in_time(self, words: tuple[Word, ...], speech_end: int) -> tuple[Word, ...]:
        """The words without those at the end that nobody saw before and that begin as the voice ends: pleasantries."""
        count = len(words)
        while count > len(self._tail) and words[count - 1].start > speech_end - _LATE:
            count -= 1
        return words[:count]

    def _commit(self, words: tuple[Word, ...]) -> Iterator[Transcribed]:
        yield from words
        self._committed += words
        start = self._audio.start if self._from is None else self._from
        surplus = sum(word.end <= start for word in self._committed) - _REMEMBERED
        if surplus > 0:
            del self._committed[:surplus]
        if words:
            yield from self._reach(words[-1].end)

    def _show(self, words: tuple[Word, ...]) -> Iterator[Transcribed]:
        self._tail = words
        if words or self._shown:
            yield Interim(words)
        self._shown = bool(words)

    def _reach(self, sample: int) -> Iterator[Transcribed]:
        if sample > self._watermark:
            self._watermark = sample
            yield Watermark(sample)

    def _cut(self, hypothesis: Hypothesis, count: int) -> None:
        """Cut the window between two of the model's segments, of which the first is committed."""
        assert self._from is not None
        if not self._committed or self._committed[-1].end - self._from < self.settings.trim:
            return
        places = [sample for position, sample in hypothesis.cuts if position <= count and sample > self._from]
        if places:
            self._move(places[-1])

    def _move(self, sample: int) -> None:
        assert self._from is not None
        self._from = max(self._from, sample)
        self._forget(self._from)

    def _forget(self, before: int) -> None:
        self._audio.forget(before)
        self._track.forget(before - SAMPLE_RATE)
