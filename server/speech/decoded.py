"""What a recogniser answers, and its words brought onto the timeline in order."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace

from server.clock import SAMPLE_RATE
from server.speech.heard import HEARD_RATE, RATIO
from server.speech.processor import Word

_SHORTEST = SAMPLE_RATE // 50
"""20 ms, Whisper's own resolution in time."""


@dataclass(frozen=True, slots=True)
class DecodedWord:
    """Times in seconds from the start of the window, as the alignment gave them: they may run backwards."""

    start: float
    end: float
    text: str
    probability: float


@dataclass(frozen=True, slots=True)
class DecodedSegment:
    """What the model wrote between two of its time stamps, in seconds from the start of the window.

    `average_logprob` is over the tokens, `no_speech` the probability that there is none, both Whisper's own.
    """

    start: float
    end: float
    words: tuple[DecodedWord, ...]
    average_logprob: float = 0.0
    no_speech: float = 0.0


@dataclass(frozen=True, slots=True)
class Decoded:
    """The answer of model "transcribe" for one window."""

    segments: tuple[DecodedSegment, ...]
    language: str | None = None
    language_probability: float = 1.0

    def words(self) -> list[DecodedWord]:
        return [word for segment in self.segments for word in segment.words]


def on_timeline(words: Sequence[DecodedWord], start: int, end: int) -> tuple[list[Word], int]:
    """Words of a window from `start` to `end` (48 kHz) in order, and how many were out of it.

    The most words whose middles run forwards keep their times; the others share the room between their neighbours.
    Every word lies in the window, has a length, and begins no earlier than the one before ends.
    """
    placed = [
        Word(
            start + _timeline(min(word.start, word.end)),
            start + _timeline(max(word.start, word.end)),
            word.text,
            word.probability,
        )
        for word in words
    ]
    anchors = _forwards([word.start + word.end for word in placed])
    spans = _spans(placed, anchors, start, end)
    return [replace(word, start=s, end=e) for word, (s, e) in zip(placed, spans, strict=True)], len(words) - len(
        anchors
    )


def _timeline(seconds: float) -> int:
    return round(seconds * HEARD_RATE) * RATIO


def _forwards(middles: Sequence[int]) -> list[int]:
    """Positions of the longest subsequence that does not decrease; among equals, one that trusts the earlier words.

    Patience sorting, from the end: what jumped back gives way to what stood before it.
    """
    tails: list[int] = []
    at: list[int] = []
    after: list[int] = []
    for position, middle in enumerate(reversed(middles)):
        slot = bisect_right(tails, -middle)
        after.append(at[slot - 1] if slot else -1)
        tails[slot:] = [-middle, *tails[slot + 1 :]]
        at[slot:] = [position, *at[slot + 1 :]]
    chain: list[int] = []
    position = at[-1] if at else -1
    while position >= 0:
        chain.append(len(middles) - 1 - position)
        position = after[position]
    return chain


def _spans(words: Sequence[Word], anchors: Sequence[int], start: int, end: int) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    edges = [-1, *anchors, len(words)]
    for left, right in itertools.pairwise(edges):
        room_from = max(start, words[left].end) if left >= 0 else start
        room_to = min(end, words[right].start) if right < len(words) else end
        missing = right - left - 1
        for k in range(missing):
            width = max(0, room_to - room_from)
            spans.append((room_from + width * k // missing, room_from + width * (k + 1) // missing))
        if right < len(words):
            spans.append((words[right].start, words[right].end))
    return _without_overlap(spans, start, end)


def _without_overlap(spans: list[tuple[int, int]], start: int, end: int) -> list[tuple[int, int]]:
    """Spans within the window, one after the other, each with a length; room is left for those that follow."""
    least = min(_SHORTEST, max(RATIO, (end - start) // max(1, len(spans))))
    out: list[tuple[int, int]] = []
    reached = start
    for index, (first, last) in enumerate(spans):
        following = spans[index + 1][0] if index + 1 < len(spans) else end
        latest = end - least * (len(spans) - index)
        begin = max(reached, min(first, latest))
        finish = min(max(begin + least, min(last, following)), latest + least)
        out.append((begin, max(begin, finish)))
        reached = out[-1][1]
    return out
