"""Whether the sound speaks for a word: models of speech write plausible phrases where nobody speaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from server.clock import SAMPLE_RATE
from server.speech.decoded import DecodedSegment
from server.speech.heard import RATIO
from server.speech.processor import Word
from server.speech.vad import FRAME, Voicing

_FRAME_LENGTH = FRAME * RATIO

_LOOKED_AT = 8
"""Words at the beginning of a segment by which it is judged."""
_UNLIKELY = 0.15
_SHORT_S = 0.133
_SHORT_COST = 15.0
_LONG_S = 2.0
_ANOMALY = 3.0
"""Whisper's own numbers: a word is odd that is less likely, shorter or longer; so much oddness is too much."""


@dataclass(frozen=True, slots=True)
class EvidenceSettings:
    """From where on a hypothesis is disbelieved. Suits Whisper and Silero; other models have other scales."""

    no_speech: float = 0.6
    logprob: float = -1.0
    voiced: float = 0.35
    """Speech probability that a frame near a word must reach."""
    voiced_share: float = 0.5
    """Share of a doubtful segment's frames that must be speech."""
    around: int = SAMPLE_RATE // 5
    """How far from a word, in 48 kHz samples, its sound may lie: alignment is no better."""
    wordless: int = SAMPLE_RATE
    """Voiced time, in 48 kHz samples, to which a model with a prompt should have found words."""
    letters_a_second: float = 40.0
    """Nobody speaks faster, counted over voiced time and one second."""


class VoicingTrack:
    """The speech probabilities of the audio that may still be decoded."""

    def __init__(self) -> None:
        self._start = 0
        self._values: list[float] = []

    def append(self, voicing: Voicing) -> None:
        if not self._values:
            self._start = voicing.start
        self._values.extend(voicing.probabilities)

    def forget(self, before: int) -> None:
        """Drop frames that end before a 48 kHz index."""
        count = max(0, min((before - self._start) // _FRAME_LENGTH, len(self._values)))
        del self._values[:count]
        self._start += count * _FRAME_LENGTH

    def between(self, start: int, end: int) -> Sequence[float]:
        """Probabilities of the frames that touch the span, none where it is empty."""
        if end <= start:
            return []
        first = max(0, (start - self._start) // _FRAME_LENGTH)
        last = max(0, -((self._start - end) // _FRAME_LENGTH))
        return self._values[first:last]

    def frame_start(self, sample: int) -> int:
        """Where the first frame of `between(sample, …)` starts."""
        return max(self._start, sample - (sample - self._start) % _FRAME_LENGTH)

    def voiced(self, start: int, end: int, threshold: float) -> int:
        """Samples of the span's frames with at least this probability."""
        return _FRAME_LENGTH * sum(value >= threshold for value in self.between(start, end))


def heard(word: Word, track: VoicingTrack, settings: EvidenceSettings) -> bool:
    """Whether somebody spoke at the word or close by."""
    near = track.between(word.start - settings.around, word.end + settings.around)
    return any(value >= settings.voiced for value in near)


def tightened(word: Word, track: VoicingTrack, settings: EvidenceSettings) -> Word:
    """The word without the silence that alignment gives it: a first word often starts with its window.

    A frame of silence is left on each side, for sounds without voice.
    """
    values = track.between(word.start, word.end)
    voiced = [position for position, value in enumerate(values) if value >= settings.voiced]
    if not voiced:
        return word
    first = track.frame_start(word.start)
    start = max(word.start, first + (voiced[0] - 1) * _FRAME_LENGTH)
    return replace(word, start=start, end=max(start + 1, min(word.end, first + (voiced[-1] + 2) * _FRAME_LENGTH)))


def believable(segment: DecodedSegment, start: int, end: int, track: VoicingTrack, settings: EvidenceSettings) -> bool:
    """Whether a segment that lies from `start` to `end` (48 kHz) was said.

    Low confidence with a high no-speech probability is Whisper's own sign of silence; either of them alone needs the
    voice detector's word, and so does a segment that does not look like speech.
    """
    silent = segment.no_speech > settings.no_speech
    unsure = segment.average_logprob < settings.logprob
    if silent and unsure:
        return False
    if not (silent or unsure or anomalous(segment)):
        return True
    frames = np.asarray(track.between(start, end))
    return bool(frames.size) and float(np.mean(frames >= settings.voiced)) >= settings.voiced_share


def anomalous(segment: DecodedSegment) -> bool:
    """Whether hardly a word of the segment is as long, and as sure, as words are.

    Whisper's own sign of what it made up (openai-whisper, `transcribe.py`: `word_anomaly_score`, `is_segment_anomaly`).
    """
    words = segment.words[:_LOOKED_AT]
    score = sum(
        (word.probability < _UNLIKELY)
        + _SHORT_COST * max(0.0, _SHORT_S - (word.end - word.start))
        + max(0.0, word.end - word.start - _LONG_S)
        for word in words
    )
    return bool(words) and (score >= _ANOMALY or score + 0.01 >= len(words))


def too_fast(count: int, start: int, end: int, track: VoicingTrack, settings: EvidenceSettings) -> bool:
    """Whether nobody can have said so many letters in the span's voiced time."""
    voiced = track.voiced(start - settings.around, end + settings.around, settings.voiced)
    return count > settings.letters_a_second * (1.0 + voiced / SAMPLE_RATE)


def wordless(words: Sequence[Word], start: int, end: int, track: VoicingTrack, settings: EvidenceSettings) -> bool:
    """Whether somebody spoke for long between two samples and no word says what."""
    left = 0
    reached = start
    for word in words:
        left += track.voiced(reached, word.start - settings.around, settings.voiced)
        reached = max(reached, word.end + settings.around)
    left += track.voiced(reached, end, settings.voiced)
    return left >= settings.wordless
