"""One answer of the recogniser, examined: which of its words are new, and what speaks against them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from server.clock import SAMPLE_RATE
from server.speech.agreement import LONGEST_PHRASE, compression_ratio, letters, loop_start, recital_start, split_after
from server.speech.decoded import Decoded, on_timeline
from server.speech.evidence import EvidenceSettings, VoicingTrack, believable, heard, tightened, too_fast
from server.speech.processor import Word

LONGEST_WORD = 45
"""Letters; what is longer was not said."""


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """From where on a hypothesis is thrown away."""

    evidence: EvidenceSettings = field(default_factory=EvidenceSettings)
    compression: float = 2.4
    """Whisper's own limit for text that repeats itself."""
    rewind: int = SAMPLE_RATE // 2
    """How far, in 48 kHz samples, a new word may lie before the end of what was committed."""
    disorder: float = 0.5
    """Share of words out of order in time from which on the times mean nothing."""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """`words` are new, in order, after all that is committed; only the first `sound` of them may be believed.

    `trouble` names the guard that tripped, None where none did. `cuts` are pairs (how many of `words` lie before, 48
    kHz sample) of places between the model's segments where the audio may be cut; negative counts are among the words
    committed before.
    """

    words: tuple[Word, ...]
    sound: int
    trouble: str | None
    cuts: tuple[tuple[int, int], ...]


def examine(
    decoded: Decoded,
    window: tuple[int, int],
    committed: Sequence[Word],
    track: VoicingTrack,
    settings: GuardSettings,
    vocabulary: str = "",
) -> Hypothesis:
    """Examine the answer for a window (start, end; 48 kHz); `committed` is what was committed before, oldest first.

    `vocabulary` is what the model was shown beside it: what it only reads aloud was not said.
    """
    start, end = window
    words, disordered = on_timeline(decoded.words(), start, end)
    kept = _kept(decoded, words, track, settings.evidence)
    inside = [word for word in committed if word.end > start]
    again = split_after(inside, [word for word, _ in kept])
    cuts = tuple(
        (position - again, (kept[position - 1][0].end + kept[position][0].start) // 2)
        for position in range(1, len(kept))
        if kept[position - 1][1] != kept[position][1]
    )
    new = [word for word, _ in kept[again:]]
    trouble, sound = _trouble(new, [word for word, _ in kept], inside, track, settings)
    if trouble is None and (read := recital_start(new, vocabulary)) is not None:
        trouble, sound = "recital", read
    if trouble is None and disordered > max(2, settings.disorder * len(words)):
        trouble, sound = "disorder", 0
    reached = committed[-1].end if committed else start
    return Hypothesis(tuple(_after(new, reached)), min(sound, len(new)), trouble, cuts)


def _kept(
    decoded: Decoded, words: Sequence[Word], track: VoicingTrack, settings: EvidenceSettings
) -> list[tuple[Word, int]]:
    """The words that the sound speaks for, each with the position of its segment."""
    kept: list[tuple[Word, int]] = []
    first = 0
    for position, segment in enumerate(decoded.segments):
        own = words[first : first + len(segment.words)]
        first += len(segment.words)
        if own and believable(segment, own[0].start, own[-1].end, track, settings):
            kept += [
                (tightened(word, track, settings), position)
                for word in own
                if letters(word.text) and heard(word, track, settings)
            ]
    return kept


def _trouble(
    new: Sequence[Word],
    everything: Sequence[Word],
    committed: Sequence[Word],
    track: VoicingTrack,
    settings: GuardSettings,
) -> tuple[str | None, int]:
    """The guard that trips, if any, and how many of the new words stand before the trouble.

    `committed` are those of the same window: what is said again after it was cut was said again.
    """
    if not new:
        return None, 0
    if committed and sum(word.end < committed[-1].end - settings.rewind for word in new) > len(new) // 3:
        return "rewind", 0
    loop = loop_start(committed[-LONGEST_PHRASE * 3 :], new)
    if loop is not None:
        return "loop", loop
    counts = [len(letters(word.text)) for word in new]
    if too_fast(sum(counts), new[0].start, new[-1].end, track, settings.evidence):
        return "speed", 0
    if compression_ratio("".join(word.text for word in everything)) > settings.compression:
        # Without a loop of words it is one within a word, or somebody who counts.
        absurd = (position for position, count in enumerate(counts) if count > LONGEST_WORD)
        return "compression", next(absurd, len(new))
    return None, len(new)


def _after(words: Sequence[Word], reached: int) -> list[Word]:
    """The words moved, where need be, so that each begins no earlier than the one before ended."""
    out: list[Word] = []
    for word in words:
        begin = max(word.start, reached)
        out.append(replace(word, start=begin, end=max(begin, word.end)))
        reached = out[-1].end
    return out
