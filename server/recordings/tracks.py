"""A track for each speaker, and one for the room: the clean audio, silent where it is somebody else's turn.

Nothing of it is stored: a track is the recording seen through a mask that follows from who spoke when. All tracks
together are the recording again, but where two speak at once: there each has the mixture.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from server.audio.frame import Samples
from server.clock import SAMPLE_RATE
from server.errors import NotFound
from server.recordings.caption_forms import names_shown
from server.recordings.speakers import word_count
from server.speech.captions import Caption
from server.speech.final import Account
from server.speech.processor import SpeakerTurn
from server.speech.speakers import SpeakerName, SpeakerNames

ROOM = "room"
"""What is in no speaker's track. No speaker has this label."""

FADE = SAMPLE_RATE // 100
"""Samples (10 ms) before and after a turn in which its track fades; the room fades the other way."""
LEAD = 3 * SAMPLE_RATE // 20
TAIL = SAMPLE_RATE // 4
"""Samples before and after words that are their speaker's too, where nobody else speaks: 150 and 250 ms. Recognisers
are late by about a consonant and end with the vowel."""
JOIN = SAMPLE_RATE // 2
"""A shorter silence of one speaker, with nobody else in it, is part of the turn: 0.5 s."""
SAMPLE_S = 5.0
"""Length of the piece by which somebody is recognised."""
_LEAST = SAMPLE_RATE // 2
"""Shorter pieces tell nothing of a voice."""

Span = tuple[int, int]
"""From one sample of the timeline to before another."""


@dataclass(frozen=True, slots=True)
class Track:
    """What one speaker's track holds. `seconds` of turns, `overlap_s` of these with somebody else in them."""

    label: str
    name: str
    seconds: float
    words: int
    overlap_s: float


class Tracks:
    """Who spoke when, from `start` to `end` of a recording: for masks, lists and samples."""

    def __init__(self, account: Account, start: int, end: int, turns: Sequence[SpeakerTurn] | None = None) -> None:
        """`turns` as they were worked out from the whole recording, with the account's labels, where they are kept."""
        self.start, self.end = start, end
        self._account = account
        everybody = {label: cut(spans, start, end) for label, spans in speaker_spans(account, turns).items()}
        self.spans = {label: spans for label, spans in everybody.items() if spans}

    def mask(self, label: str) -> Mask:
        """How much of each sample is in a track. Raises NotFound for a label that nobody has."""
        if label == ROOM:
            return Mask(tuple(self.spans.values()), inverted=True)
        return Mask((self.spans[self.resolved(label)],))

    def resolved(self, label: str) -> str:
        """The label under which a speaker is kept, merges followed. Raises NotFound."""
        found = SpeakerNames(self._account.speakers).resolve(label).label
        if found not in self.spans:
            raise NotFound("This speaker has no track here.", code="unknown-speaker")
        return found

    def name(self, label: str) -> str:
        """What a track is called. Raises NotFound."""
        return "Room" if label == ROOM else names_shown(self._account.speakers)[self.resolved(label)]

    def listed(self) -> list[Track]:
        """Speakers in the order of their numbers."""
        names, words = names_shown(self._account.speakers), self._words()
        found = []
        for label in (entry.label for entry in self._account.speakers if entry.label in self.spans):
            others = united(span for other, spans in self.spans.items() if other != label for span in spans)
            overlap = total(common(self.spans[label], others))
            seconds = total(self.spans[label]) / SAMPLE_RATE
            found.append(Track(label, names[label], seconds, words.get(label, 0), overlap / SAMPLE_RATE))
        return found

    @property
    def room_s(self) -> float:
        """Seconds in which nobody speaks."""
        spoken = united(span for spans in self.spans.values() for span in spans)
        return (self.end - self.start - total(spoken)) / SAMPLE_RATE

    def turns(self) -> list[tuple[int, int, str]]:
        """All turns by their beginnings."""
        return sorted((start, end, label) for label, spans in self.spans.items() for start, end in spans)

    def alone(self, label: str) -> list[Span]:
        """Up to five seconds of one speaker and nobody else, the longest pieces first. Raises NotFound."""
        label = self.resolved(label)
        others = united(span for other, spans in self.spans.items() if other != label for span in spans)
        pieces = sorted(without(self.spans[label], others), key=lambda span: span[0] - span[1])
        wanted = round(SAMPLE_S * SAMPLE_RATE)
        found: list[Span] = []
        for start, end in pieces or self.spans[label]:
            count = min(wanted, end - start)
            if found and count < _LEAST:
                break
            found.append((start, start + count))
            wanted -= count
        return found

    def _words(self) -> dict[str, int]:
        names = SpeakerNames(self._account.speakers)
        found: dict[str, int] = {}
        for caption in self._account.captions:
            if caption.speakers and self.start <= caption.start < self.end and _known(names, caption.speakers[0]):
                label = names.resolve(caption.speakers[0]).label
                found[label] = found.get(label, 0) + word_count(caption)
        return found


class Mask:
    """How much, from 0 to 1, of each sample belongs to some turns; inverted, how much does to none."""

    def __init__(self, speakers: Sequence[Sequence[Span]], *, inverted: bool = False) -> None:
        """`speakers`: spans of each, in order and apart."""
        self._speakers = [(spans, [end for _, end in spans]) for spans in speakers]
        self._inverted = inverted

    def gains(self, start: int, count: int) -> Samples:
        """Of the samples from `start` on, shape (count,)."""
        found = np.zeros(count, np.float32)
        for spans, ends in self._speakers:
            found += _gains(spans, ends, start, count)
        np.minimum(found, 1.0, out=found)
        return 1.0 - found if self._inverted else found

    def __repr__(self) -> str:
        """Says everything that the mask depends on: files are kept by it."""
        return f"{self._inverted} {[spans for spans, _ in self._speakers]} {FADE}"


def _gains(spans: Sequence[Span], ends: Sequence[int], start: int, count: int) -> Samples:
    """Of one speaker; spans that lie closer than two fades meet in the greater of both."""
    found = np.zeros(count, np.float32)
    at = bisect_left(ends, start - FADE)
    while at < len(spans) and spans[at][0] - FADE < start + count:
        begin, end = spans[at]
        at += 1
        low, high = max(0, begin - FADE - start), min(count, end + FADE - start)
        index = np.arange(low + start, high + start)
        ramp = np.minimum(index - (begin - FADE), end + FADE - 1 - index) / np.float32(FADE)
        found[low:high] = np.maximum(found[low:high], np.clip(ramp, 0.0, 1.0))
    return found


def speaker_spans(account: Account, turns: Sequence[SpeakerTurn] | None = None) -> dict[str, list[Span]]:
    """Who spoke when, by the labels that merges lead to; each one's spans in order and apart.

    Turns of the whole recording are kept to where no person has said otherwise; what a caption's main speaker says is
    that speaker's in any case.
    """
    names = SpeakerNames(account.speakers)
    found: dict[str, list[Span]] = {}
    fixed = united(_fixed(account.captions))
    for turn in turns or ():
        if _known(names, turn.speaker):
            found.setdefault(names.resolve(turn.speaker).label, []).extend(without([(turn.start, turn.end)], fixed))
    for caption in account.captions:
        all_of_them = turns is None or caption.speakers_fixed
        for label in caption.speakers if all_of_them else caption.speakers[:1]:
            if _known(names, label):
                found.setdefault(names.resolve(label).label, []).append((caption.start, caption.end))
    merged = {label: united(spans) for label, spans in found.items()}
    return {label: _widened(label, merged) for label in _ordered(account.speakers, merged)}


def _fixed(captions: Iterable[Caption]) -> list[Span]:
    return [(caption.start, caption.end) for caption in captions if caption.speakers_fixed]


def _known(names: SpeakerNames, label: str) -> bool:
    try:
        names.resolve(label)
    except NotFound:
        return False
    return True


def _ordered(speakers: Sequence[SpeakerName], spans: Mapping[str, object]) -> list[str]:
    return [entry.label for entry in speakers if entry.label in spans]


def _widened(label: str, everybody: Mapping[str, Sequence[Span]]) -> list[Span]:
    """One speaker's spans with the sound around their words, as far as nobody else speaks, and short pauses filled."""
    others = united(span for other, spans in everybody.items() if other != label for span in spans)
    starts, ends = [start for start, _ in others], [end for _, end in others]
    wide: list[Span] = []
    for start, end in everybody[label]:
        before, after = bisect_left(ends, start + 1) - 1, bisect_left(starts, end)
        floor = (ends[before] + start) // 2 if before >= 0 else 0
        if before + 1 < len(starts) and starts[before + 1] < start:  # somebody else speaks just there
            floor = start
        ceiling = (starts[after] + end) // 2 if after < len(starts) else end + TAIL
        if after > 0 and ends[after - 1] > end:
            ceiling = end
        wide.append((max(start - LEAD, floor, 0), min(end + TAIL, max(ceiling, end))))
    joined: list[Span] = []
    for start, end in united(wide):
        after = bisect_left(ends, joined[-1][1] + 1) if joined else 0
        between = after < len(starts) and starts[after] < start
        if joined and start - joined[-1][1] < JOIN and not between:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


# ---- sets of samples, as spans in order and apart


def united(spans: Iterable[Span]) -> list[Span]:
    """Everything that lies in any of them."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if start >= end:
            continue
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def common(some: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """What lies in both."""
    found: list[Span] = []
    first = 0
    for start, end in some:
        while first < len(others) and others[first][1] <= start:
            first += 1
        at = first
        while at < len(others) and others[at][0] < end:
            found.append((max(start, others[at][0]), min(end, others[at][1])))
            at += 1
    return found


def without(some: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """What lies in `some` and not in `others`."""
    shared = common(some, others)
    found: list[Span] = []
    at = 0
    for start, end in some:
        left = start
        while at < len(shared) and shared[at][0] < end:
            if left < shared[at][0]:
                found.append((left, shared[at][0]))
            left = shared[at][1]
            at += 1
        if left < end:
            found.append((left, end))
    return found


def cut(spans: Sequence[Span], start: int, end: int) -> list[Span]:
    """What lies between two moments."""
    return common(spans, [(start, end)])


def total(spans: Iterable[Span]) -> int:
    """Samples in all of them."""
    return sum(end - start for start, end in spans)
