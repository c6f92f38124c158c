"""Transcription of a whole recording: nothing is in a hurry, and what the model gets wrong is tried another way.

Windows cut at pauses (`windows`) are decoded thoroughly. An answer that repeats itself or that the model itself does
not believe is asked for again with more chance (temperature), as Whisper does (Radford et al., 2022, section 4.5); what
was said and not written is asked for again by itself. Nothing is shown to the model of what it wrote before: a mistake
stays where it is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from server.clock import SAMPLE_RATE
from server.speech.agreement import compression_ratio
from server.speech.decoded import Decoded
from server.speech.evidence import VoicingTrack
from server.speech.heard import Heard, HeardBuffer
from server.speech.hypothesis import GuardSettings, Hypothesis, examine
from server.speech.language import LanguageChoice
from server.speech.processor import Failure, Request, Watermark, Word
from server.speech.transcriber import Gap
from server.speech.vad import VadEvent, Voicing
from server.speech.windows import Window, WindowPacker, WindowSettings

_LEAD = SAMPLE_RATE // 5
"""Audio before a hole that is decoded with it, so that its first word is whole."""


@dataclass(frozen=True, slots=True)
class OfflineSettings:
    """Per model."""

    windows: WindowSettings = field(default_factory=WindowSettings)
    at_once: int = 4
    """Windows that are asked about at once: what can be batched is, and no more audio is kept."""
    temperatures: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    """Tried one after the other until an answer may be believed."""
    language: str | None = None
    """None: detected, then kept."""
    task: str = "transcribe"
    vocabulary: str = ""
    guards: GuardSettings = field(default_factory=GuardSettings)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What one attempt came to. `logprob` is the mean over its tokens."""

    hypothesis: Hypothesis
    logprob: float


@dataclass(slots=True, eq=False)
class _Job:
    """A window, or a hole in one, on its way. `words` is None until it is decided; `holes` are decided after it."""

    window: Window
    room: tuple[int, int] | None = None
    """Of a hole: from the end of the word before it to the start of the one after."""
    attempt: int = 0
    answers: list[_Answer] = field(default_factory=list)
    words: tuple[Word, ...] | None = None
    trouble: str | None = None
    holes: list[_Job] = field(default_factory=list)

    @property
    def done(self) -> bool:
        return self.words is not None and all(hole.done for hole in self.holes)


Read = Word | Gap | Watermark


class OfflineTranscriber:
    """`Heard` audio and `VadEvent`s in, each event after the audio it is about; words, gaps and watermarks out.

    Requests are those of `Transcriber` with the option `temperature`. Words come in order and are final.
    """

    def __init__(self, ids: Iterator[int], settings: OfflineSettings | None = None) -> None:
        self.settings = settings or OfflineSettings()
        self._ids = ids
        self._audio = HeardBuffer()
        self._track = VoicingTrack()
        self._packer = WindowPacker(self._track, self.settings.windows)
        self._waiting: deque[_Job] = deque()
        self._order: deque[_Job] = deque()
        self._open: dict[int, _Job] = {}
        self._watermark = 0
        self._ended = False
        self.language = LanguageChoice(self.settings.language)
        self.retries = 0
        """Answers that were asked for again."""

    @property
    def reached(self) -> int:
        """The last watermark: everything before it is decided."""
        return self._watermark

    def begin(self, sample: int) -> list[Read | Request]:
        """The audio starts at `sample` (48 kHz)."""
        self._packer.begin(sample)
        return list(self._reach(sample))

    def push(self, item: Heard | VadEvent) -> list[Read | Request]:
        if isinstance(item, Heard):
            self._audio.append(item)
            return []
        if isinstance(item, Voicing):
            self._track.append(item)
        self._take(self._packer.push(item))
        return list(self._go_on())

    def result(self, request_id: int, value: Any | Failure) -> list[Read | Request]:
        job = self._open.pop(request_id)
        self._answered(job, value)
        return list(self._go_on())

    def flush(self) -> list[Read | Request]:
        self._ended = True
        self._take(self._packer.flush())
        return list(self._go_on())

    def _take(self, windows: Sequence[Window]) -> None:
        jobs = [_Job(window) for window in windows]
        self._order.extend(jobs)
        self._waiting.extend(jobs)

    def _go_on(self) -> Iterator[Read | Request]:
        """Tell what is decided, in order, and ask about what waits."""
        while self._order and self._order[0].done:
            yield from self._tell(self._order.popleft())
        decided = self._audio.end if self._ended else self._packer.floor
        floor = self._order[0].window.start if self._order else decided
        yield from self._reach(floor)
        self._audio.forget(floor - SAMPLE_RATE)
        self._track.forget(floor - SAMPLE_RATE)
        while self._waiting and len(self._open) < self._most():
            yield self._request(self._waiting.popleft())

    def _most(self) -> int:
        """Until the language is known one window at a time is heard: the others would each find their own."""
        return self.settings.at_once if self.language.kept is not None else 1

    def _request(self, job: _Job) -> Request:
        number = next(self._ids)
        self._open[number] = job
        window = job.window
        return Request(
            number,
            "transcribe",
            (self._audio.between(window.start, window.end),),
            deadline=window.end + self.settings.windows.longest,
            droppable=False,
            options={
                "start": window.start,
                "prompt": "",
                "vocabulary": self.settings.vocabulary if job.attempt == 0 else "",
                "language": self.language.kept,
                "task": self.settings.task,
                "thorough": True,
                "temperature": self.settings.temperatures[job.attempt],
            },
        )

    def _answered(self, job: _Job, value: Any | Failure) -> None:
        window = job.window
        if isinstance(value, Failure):
            job.answers.append(_Answer(Hypothesis((), 0, value.reason, ()), float("-inf")))
            again = True
        else:
            assert isinstance(value, Decoded)
            self.language.hear(value, window.end - window.start)
            shown = self.settings.vocabulary if job.attempt == 0 else ""
            hypothesis = examine(value, (window.start, window.end), (), self._track, self.settings.guards, shown)
            job.answers.append(_Answer(hypothesis, _logprob(value)))
            again = hypothesis.trouble is not None or self._doubtful(value) or self._mute(job, value, hypothesis)
        if again and job.attempt + 1 < self._attempts(job):
            job.attempt += 1
            self.retries += 1
            self._waiting.appendleft(job)
            return
        self._decide(job)

    def _attempts(self, job: _Job) -> int:
        """A hole was heard before, and nothing found in it: twice has to do."""
        return min(2, len(self.settings.temperatures)) if job.room else len(self.settings.temperatures)

    def _doubtful(self, decoded: Decoded) -> bool:
        """Whisper's own signs: text that repeats itself, or little confidence where somebody speaks."""
        guards = self.settings.guards
        if compression_ratio("".join(word.text for word in decoded.words())) > guards.compression:
            return True
        silent = max((segment.no_speech for segment in decoded.segments), default=1.0) > guards.evidence.no_speech
        return bool(decoded.segments) and _logprob(decoded) < guards.evidence.logprob and not silent

    def _mute(self, job: _Job, decoded: Decoded, hypothesis: Hypothesis) -> bool:
        """Whether the first try found no word in what sounds like much talk."""
        evidence = self.settings.guards.evidence
        window = job.window
        voiced = self._track.voiced(window.start, window.end, evidence.voiced)
        return job.attempt == 0 and not hypothesis.words and not decoded.segments and voiced >= evidence.wordless

    def _decide(self, job: _Job) -> None:
        """Take the best answer; what is missing in it is asked about by itself."""
        sound = [answer for answer in job.answers if answer.hypothesis.trouble is None]
        best = max(sound or job.answers, key=lambda answer: (answer.hypothesis.sound > 0, answer.logprob))
        job.words = best.hypothesis.words[: best.hypothesis.sound]
        job.trouble = best.hypothesis.trouble
        job.answers.clear()
        if job.room is None:
            job.holes = list(self._holes(job.window, job.words))
            self._waiting.extendleft(reversed(job.holes))

    def _holes(self, window: Window, words: Sequence[Word]) -> Iterator[_Job]:
        """Where somebody spoke for long and no word says what; not the whole window, which was tried."""
        evidence = self.settings.guards.evidence
        edges = [window.start, *(edge for word in words for edge in (word.start, word.end)), window.end]
        for floor, ceiling in zip(edges[::2], edges[1::2], strict=True) if words else ():
            begin = floor if floor == window.start else floor + evidence.around
            end = ceiling if ceiling == window.end else ceiling - evidence.around
            if self._track.voiced(begin, end, evidence.voiced) >= evidence.wordless:
                around = Window(max(window.start, begin - _LEAD), min(window.end, end + _LEAD))
                yield _Job(around, room=(floor, ceiling))

    def _tell(self, job: _Job) -> Iterator[Read]:
        assert job.words is not None
        words = list(job.words)
        for hole in job.holes:
            words = _filled(words, hole)
        yield from words
        reached = words[-1].end if words else job.window.start
        evidence = self.settings.guards.evidence
        left = self._track.voiced(reached + evidence.around, job.window.end, evidence.voiced)
        if job.trouble is not None and left > evidence.around:
            yield Gap(reached, job.window.end, job.trouble)

    def _reach(self, sample: int) -> Iterator[Watermark]:
        if sample > self._watermark:
            self._watermark = sample
            yield Watermark(sample)


def _logprob(decoded: Decoded) -> float:
    """All segments of an answer carry the mean of its tokens."""
    return min((segment.average_logprob for segment in decoded.segments), default=0.0)


def _filled(words: Sequence[Word], hole: _Job) -> list[Word]:
    """The words with those that were found in a hole between them."""
    assert hole.room is not None
    floor, ceiling = hole.room
    found = [
        replace(word, start=max(floor, word.start), end=min(word.end, ceiling))
        for word in hole.words or ()
        if 2 * floor < word.start + word.end < 2 * ceiling
    ]
    before = [word for word in words if word.end <= floor]
    return [*before, *found, *words[len(before) :]]
