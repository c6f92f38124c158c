"""Models of speech that follow a script, and a driver that carries requests to them: no weights, no clock."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from server.audio.frame import AudioFrame, Samples
from server.clock import SAMPLE_RATE
from server.speech.decoded import Decoded, DecodedSegment, DecodedWord
from server.speech.listening import Listening
from server.speech.processor import Failure, Request, Word

HEARD = 16_000

Line = tuple[float, float, str]
"""A word of the script: start and end in seconds, text with its leading space."""


def spoken(text: str, start: float = 0.5, pace: float = 0.3) -> list[Line]:
    """Words one after another, `pace` seconds each."""
    return [(start + i * pace, start + (i + 0.9) * pace, f" {word}") for i, word in enumerate(text.split())]


def sound(lines: Iterable[Line], length: float) -> Samples:
    """Audio that is loud where words are."""
    count = round(length * SAMPLE_RATE)
    samples = np.zeros(count, np.float32)
    for start, end, _ in lines:
        samples[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)] = 0.5
    return samples


def scripted_vad(request: Request) -> Any:
    """Speech where a frame is loud."""
    frames, hidden, cell = request.arrays
    return (np.abs(frames[:, 64:]).mean(axis=1) > 0.02).astype(np.float32), hidden, cell


Mishear = Callable[[list[DecodedWord], float, float], Sequence[DecodedWord]]


@dataclass
class ScriptedTalk:
    """A recogniser that knows what is said. `windows` are the spans (seconds) it was asked about.

    A word at the edge of the window is heard cut off; `mishear` may spoil the answer.
    """

    lines: Sequence[Line]
    mishear: Mishear | None = None
    segment_every: int = 6
    language: str | None = "en"
    logprob: float = -0.2
    no_speech: float = 0.01
    windows: list[tuple[float, float]] = field(default_factory=list)
    prompts: list[str] = field(default_factory=list)
    vocabularies: list[str] = field(default_factory=list)

    def __call__(self, request: Request) -> Decoded:
        start = request.options["start"] / SAMPLE_RATE  # type: ignore[operator]
        end = start + len(request.arrays[0]) / HEARD
        self.windows.append((start, end))
        self.prompts.append(str(request.options["prompt"]))
        self.vocabularies.append(str(request.options["vocabulary"]))
        words = []
        for begin, finish, text in self.lines:
            if finish <= start + 0.1 or begin >= end - 0.05:
                continue
            cut = finish > end
            words.append(
                DecodedWord(
                    max(0.0, begin - start),
                    min(finish, end) - start,
                    text[: max(2, len(text) // 2)] if cut else text,
                    0.4 if cut else 0.95,
                )
            )
        heard = list(self.mishear(words, start, end) if self.mishear else words)
        pieces = [heard[i : i + self.segment_every] for i in range(0, len(heard), self.segment_every)]
        return Decoded(
            tuple(
                DecodedSegment(piece[0].start, piece[-1].end, tuple(piece), self.logprob, self.no_speech)
                for piece in pieces
            ),
            self.language,
        )


Answer = Callable[[Request], Any]


class Driver:
    """Plays audio into `Listening` and carries its requests to scripted models.

    Requests are answered in order, `late` requests behind; 0 answers at once.
    """

    def __init__(self, listening: Listening, transcribe: Answer, vad: Callable[[Request], Any] = scripted_vad) -> None:
        self.listening = listening
        self.transcribe = transcribe
        self.vad = vad
        self.late = 0
        self.out: list[Any] = []
        self.requests: list[Request] = []
        self._waiting: list[Request] = []

    def play(self, samples: Samples, cuts: Sequence[int] = (), start: int = 0) -> Driver:
        """Push `samples` in pieces that end at `cuts`, then the end."""
        edges = [0, *sorted({cut for cut in cuts if 0 < cut < len(samples)}), len(samples)]
        for begin, end in itertools.pairwise(edges):
            self.take(self.listening.push(AudioFrame(start + begin, samples[begin:end])))
            self.answer(self.late)
        self.answer(0)
        self.take(self.listening.flush())
        self.answer(0)
        return self

    def take(self, items: Sequence[Any]) -> None:
        for item in items:
            if isinstance(item, Request):
                self.requests.append(item)
                self._waiting.append(item)
            else:
                self.out.append(item)

    def answer(self, leave: int) -> None:
        """Answer waiting requests until `leave` are left."""
        while len(self._waiting) > leave:
            request = self._waiting.pop(0)
            self.take(self.listening.result(request.id, self._value(request)))

    def _value(self, request: Request) -> Any | Failure:
        if request.model == "vad":
            return self.vad(request)
        return self.transcribe(request)

    @property
    def words(self) -> list[Word]:
        return [item for item in self.out if isinstance(item, Word)]

    @property
    def text(self) -> str:
        return "".join(word.text for word in self.words).strip()


LONG = ["".join(random.Random(n).choices("abcdefghijklmnoprstuvwyz", k=6)) for n in range(216)]
"""216 different words."""

SENTENCE = "one two three four five six seven eight nine ten eleven twelve"
PACKET = 960


def play(talk: ScriptedTalk, length: float, listening: Listening | None = None) -> Driver:
    samples = sound(talk.lines, length)
    return Driver(listening or Listening(), talk).play(samples, range(0, len(samples), PACKET))
