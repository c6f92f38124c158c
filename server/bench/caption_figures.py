"""How good captions were and how soon they came, from the events alone and what was really said.

Latencies are the time at which an event left minus the true end of the word, never a time that a recogniser gave.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from server.bench.references import Segment
from server.bench.wording import Alignment, align, normalised, percentile
from server.clock import SAMPLE_RATE
from server.speech.captions import Caption
from server.speech.processor import Word

_TOGETHER_S = 0.02
"""Events that leave within so short a time say one thing."""
_LOOK_AHEAD = 20
"""How many more words than are shown may lie between them and those that were committed in the end."""


@dataclass(frozen=True, slots=True)
class Told:
    """A caption event and when it left, in seconds after the first sample of the file was said."""

    at: float
    kind: str
    """"interim", "final" or "revision"."""
    caption: Caption


@dataclass(frozen=True, slots=True)
class Written:
    """A normalised word as it was first committed."""

    word: Word
    text: str
    at: float


@dataclass(frozen=True, slots=True)
class Latencies:
    """Seconds for every word of the reference whose end is known; infinite where it never came."""

    interim: tuple[float, ...]
    final: tuple[float, ...]

    def figures(self, suffix: str = "") -> dict[str, float | None]:
        return {
            f"{name}_p{round(100 * share)}_s{suffix}": percentile(values, share)
            for name, values in (("interim", self.interim), ("final", self.final))
            for share in (0.5, 0.95)
        }


def committed(told: Sequence[Told]) -> list[Written]:
    """Every word as it was first committed, in order of its start."""
    seen: dict[Word, float] = {}
    for event in told:
        for word in event.caption.words[: event.caption.committed]:
            seen.setdefault(word, event.at)
    ordered = sorted(seen, key=lambda word: (word.start, word.end))
    return [Written(word, text, seen[word]) for word in ordered for text in normalised(word.text)]


def latencies(told: Sequence[Told], alignment: Alignment, ends: Mapping[int, float]) -> Latencies:
    """How long after its end each word of the reference came, at all and as committed."""
    written = committed(told)
    shown = first_shown(told, written)
    found = alignment.counterparts()
    interim, final = [], []
    for position, end in ends.items():
        other = found.get(position)
        interim.append(math.inf if other is None else shown[other] - end)
        final.append(math.inf if other is None else written[other].at - end)
    return Latencies(tuple(interim), tuple(final))


def first_shown(told: Sequence[Told], written: Sequence[Written]) -> list[float]:
    """When each word that was committed in the end was first to be read, committed or not."""
    texts = [entry.text for entry in written]
    times = [entry.at for entry in written]
    done = sorted(times)
    first = list(times)
    for at, shown in readable(told):
        # In order of committing, which words are still to come is known by their number.
        begin = bisect.bisect_right(done, at)
        later = texts[begin : begin + len(shown) + _LOOK_AHEAD]
        if not shown or not later:
            continue
        for own, other in align(later, shown, open_end=True).counterparts().items():
            if later[own] == shown[other]:
                first[begin + own] = min(first[begin + own], at)
    return first


def readable(told: Sequence[Told]) -> Iterator[tuple[float, list[str]]]:
    """After each change: when, and the words that could be read and were not committed."""
    open_captions: dict[int, Caption] = {}
    for at, events in _together(told):
        for event in events:
            if event.caption.final:
                open_captions.pop(event.caption.id, None)
            else:
                open_captions[event.caption.id] = event.caption
        waiting = [word for _, caption in sorted(open_captions.items()) for word in caption.words[caption.committed :]]
        yield at, [text for word in waiting for text in normalised(word.text)]


def _together(told: Sequence[Told]) -> Iterator[tuple[float, list[Told]]]:
    group: list[Told] = []
    for event in told:
        if group and event.at - group[-1].at > _TOGETHER_S:
            yield group[-1].at, group
            group = []
        group.append(event)
    if group:
        yield group[-1].at, group


def erasure(told: Sequence[Told]) -> float | None:
    """Words that were shown and taken back or changed, for each word that was committed."""
    written = committed(told)
    if not written:
        return None
    times = sorted(entry.at for entry in written)
    texts = [entry.text for entry in written]
    before: list[str] = []
    withdrawn = 0
    for at, shown in readable(told):
        now = [*texts[: bisect.bisect_right(times, at)], *shown]
        same = len(list(itertools.takewhile(lambda pair: pair[0] == pair[1], zip(before, now, strict=False))))
        withdrawn += len(before) - same
        before = now
    return withdrawn / len(written)


def revision_rate(told: Sequence[Told]) -> float | None:
    """Words of final captions whose main speaker changed later, among all of them."""
    mains: dict[int, list[tuple[str, ...]]] = {}
    for event in told:
        if event.caption.final:
            mains.setdefault(event.caption.id, []).append(event.caption.speakers[:1])
    words = changed = 0
    for caption in finals(told):
        words += len(caption.words)
        changed += len(caption.words) * (len(set(mains[caption.id])) > 1)
    return changed / words if words else None


def finals(told: Sequence[Told]) -> list[Caption]:
    """The final captions as they were in the end."""
    last = {event.caption.id: event.caption for event in told if event.caption.final}
    return [last[number] for number in sorted(last)]


def lost_at(segment: Segment | None, first: int, streamed: Alignment, offline: Alignment | None) -> int | None:
    """How many words of a segment, whose first is word `first` of the reference, only the stream lost."""
    if segment is None or offline is None:
        return None
    kept, there = streamed.counterparts(), offline.counterparts()
    own = range(first, first + len(segment.words))
    return sum(position not in kept and position in there for position in own)


def invented(
    written: Sequence[Written], alignment: Alignment, segments: Sequence[Segment], length: float
) -> float | None:
    """Words a minute in the silence of the reference that nobody said; None where there is no silence."""
    silence = list(_silence(segments, length))
    total = sum(end - start for start, end in silence)
    if total <= 0:
        return None
    matched = set(alignment.counterparts().values())
    count = sum(
        position not in matched
        and any(start <= (entry.word.start + entry.word.end) / 2 / SAMPLE_RATE < end for start, end in silence)
        for position, entry in enumerate(written)
    )
    return 60 * count / total


def _silence(segments: Sequence[Segment], length: float) -> Iterator[tuple[float, float]]:
    reached = 0.0
    for segment in segments:
        if segment.start > reached:
            yield reached, segment.start
        reached = max(reached, segment.end)
    if length > reached:
        yield reached, length
