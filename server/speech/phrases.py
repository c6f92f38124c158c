"""Words and turns to phrases that read well: who said a word, and where a caption ends."""

from __future__ import annotations

import itertools
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from server.clock import SAMPLE_RATE
from server.speech.processor import SpeakerTurn, Word

PAUSE = SAMPLE_RATE
"""Silence that ends a caption, in 48 kHz samples: 1 s."""
BREATH = 3 * SAMPLE_RATE // 10
"""Silence after a sentence that ends a caption, however short that is."""
SHORT = 20
LONG = 60
LONGEST = 90
"""Characters: up to here a sentence may share a caption; from here a clause ends it; from here anything does."""
_NEAR = SAMPLE_RATE // 2
"""How far from a turn a word may lie and still be that speaker's."""
_SENTENCE_ENDS = ".?!。！？…؟।"
_CLAUSE_ENDS = _SENTENCE_ENDS + ",;:、，；：،"
_CLOSING = "\"'”’»)]}」』"


@dataclass(slots=True)
class Phrase:
    """Words of one caption and how long (48 kHz samples) each of its speakers is heard in them, main one first."""

    words: list[Word]
    speakers: tuple[str, ...]


class Turns:
    """Who spoke when, as far as it is known; later knowledge replaces earlier."""

    def __init__(self) -> None:
        self._turns: list[SpeakerTurn] = []
        """By their beginnings."""
        self._longest = 0
        """Samples of the longest turn there ever was: who began longer ago has ended."""

    def all(self) -> list[SpeakerTurn]:
        """By their beginnings."""
        return list(self._turns)

    def add(self, turn: SpeakerTurn) -> None:
        insort(self._turns, turn, key=_start)
        self._longest = max(self._longest, turn.end - turn.start)

    def replace(self, start: int, end: int, turns: Sequence[SpeakerTurn]) -> None:
        """What was known from `start` to `end` was wrong; turns that reach out of it are cut there."""
        kept: list[SpeakerTurn] = []
        for turn in self._turns:
            if turn.start < start:
                kept.append(SpeakerTurn(turn.start, min(turn.end, start), turn.speaker, turn.probability))
            if turn.end > end:
                kept.append(SpeakerTurn(max(turn.start, end), turn.end, turn.speaker, turn.probability))
        self._turns = sorted([*kept, *turns], key=lambda turn: (turn.start, turn.end))
        self._longest = max([self._longest, *(turn.end - turn.start for turn in turns)])

    def forget(self, before: int) -> None:
        self._turns = [turn for turn in self._turns if turn.end > before]

    def heard(self, start: int, end: int) -> dict[str, int]:
        """Samples of each speaker within a span; when nobody is, those close by count as one."""
        found: dict[str, int] = {}
        near: tuple[int, str] | None = None
        first = bisect_left(self._turns, start - _NEAR - self._longest, key=_start)
        for turn in itertools.islice(self._turns, first, None):
            if turn.start > end + _NEAR:
                break
            overlap = min(end, turn.end) - max(start, turn.start)
            if overlap > 0:
                found[turn.speaker] = found.get(turn.speaker, 0) + overlap
            elif -overlap <= _NEAR and (near is None or -overlap < near[0]):
                near = -overlap, turn.speaker
        if not found and near is not None:
            found[near[1]] = 1
        return found

    def speaker(self, word: Word, current: str | None) -> str | None:
        """Whose word it is. Where two speak at once the one who had the word keeps it; None where nobody is known."""
        found = self.heard(word.start, word.end)
        if not found:
            return current
        if current in found and 2 * found[current] >= word.end - word.start:
            return current
        return max(found, key=lambda speaker: found[speaker])

    def speakers(self, words: Sequence[Word], main: str | None = None) -> tuple[str, ...]:
        """Everybody who is heard in at least a quarter of the words' time, longest first.

        `main` stays first as long as nobody is heard twice as long.
        """
        total: dict[str, int] = {}
        for word in words:
            for speaker, samples in self.heard(word.start, word.end).items():
                total[speaker] = total.get(speaker, 0) + samples
        if not total:
            return () if main is None else (main,)
        spoken = sum(word.end - word.start for word in words)
        ranked = sorted(total, key=lambda speaker: (-total[speaker], speaker))
        first = main if main in total and 2 * total[main] >= total[ranked[0]] else ranked[0]
        return first, *(speaker for speaker in ranked if speaker != first and 4 * total[speaker] >= spoken)


def _start(turn: SpeakerTurn) -> int:
    return turn.start


def phrases(words: Iterable[Word], turns: Turns, current: str | None) -> Iterator[Phrase]:
    """Words in captions, decided from left to right: more words never change where the ones before were divided.

    `current` is who spoke before the first word.
    """
    open_words: list[Word] = []
    speaker = current
    for word in words:
        said_by = turns.speaker(word, speaker)
        if open_words and (said_by != speaker or ends(open_words, word)):
            yield Phrase(open_words, turns.speakers(open_words, speaker))
            open_words = []
        open_words.append(word)
        speaker = said_by
    if open_words:
        yield Phrase(open_words, turns.speakers(open_words, speaker))


def ends(words: Sequence[Word], following: Word) -> bool:
    """Whether a caption of `words` ends before the next word."""
    text = "".join(word.text for word in words).strip()
    pause = following.start - words[-1].end
    if pause >= PAUSE or len(text) + len(following.text) > LONGEST:
        return True
    if text.rstrip(_CLOSING).endswith(tuple(_SENTENCE_ENDS)):
        return len(text) >= SHORT or pause >= BREATH
    return len(text) >= LONG and text.rstrip(_CLOSING).endswith(tuple(_CLAUSE_ENDS))


def over(words: Sequence[Word], mark: int) -> bool:
    """Whether a caption has ended although no word follows: none will start before `mark`."""
    text = "".join(word.text for word in words).strip().rstrip(_CLOSING)
    return mark - words[-1].end >= (BREATH if text.endswith(tuple(_SENTENCE_ENDS)) else PAUSE)
