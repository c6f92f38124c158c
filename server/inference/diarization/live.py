"""Who speaks in a live stream: every half second a window of five, and the turns that follow from it.

diart's pipeline (Coria et al., 2021) with the models outside, so that one call can serve the windows of many streams.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from server.audio.frame import Samples
from server.clock import SAMPLE_RATE
from server.errors import SettingsError
from server.inference.caption_lane import TurnRevision, Turns, VoicePrints
from server.inference.diarization.clustering import StreamSpeakers
from server.speech.heard import HEARD_RATE, Heard
from server.speech.processor import SpeakerTurn

Floats = NDArray[np.float32]
Said = Turns | TurnRevision | VoicePrints

WINDOW_S = 5.0
STEP_S = 0.5
STEP = round(STEP_S * SAMPLE_RATE)
_WINDOW_HEARD = round(WINDOW_S * HEARD_RATE)
_STEP_HEARD = round(STEP_S * HEARD_RATE)
_PRINTS = 10
"""Windows between two tellings of what the speakers sound like, where nobody new speaks."""
_OFFSET = 0.01
"""Mean of the samples that counts as a microphone's offset; less is left alone."""
_SAME = round(0.05 * SAMPLE_RATE)
"""Samples by which two accounts of half a second may differ and still say the same."""


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """In seconds, in halves. Raises `SettingsError`."""

    latency: float = STEP_S
    """How long after it was said it is told who speaks: 0.5 to 5; more is surer."""
    revision: float = WINDOW_S
    """How long after it was said it is told again, where that is better: 3 to 5."""

    def __post_init__(self) -> None:
        if not STEP_S <= self.latency <= WINDOW_S:
            raise SettingsError("The latency of diarization is between 0.5 and 5 seconds.")
        if not 3 <= self.revision <= WINDOW_S:
            raise SettingsError("Who spoke is revised after 3 to 5 seconds.")


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """Five seconds of audio (samples,) at 16 kHz, ending at 48 kHz index `end`. Silence where there was none."""

    end: int
    samples: Samples


class LiveDiarizer:
    """One stream. Audio goes in by `take`; what the models say of the windows that come out, by `decide`."""

    def __init__(self, speakers: StreamSpeakers, start: int, settings: LiveSettings | None = None) -> None:
        """`start` is the 48 kHz index of the stream's first sample."""
        settings = settings or LiveSettings()
        self.speakers = speakers
        self._start = start
        self._latency = round(settings.latency / STEP_S)
        self._revision = round(settings.revision / STEP_S)
        self._audio: Samples = np.zeros(_WINDOW_HEARD - _STEP_HEARD, np.float32)
        self._end = start
        """48 kHz index at which the audio that is kept ends, once it is complete."""
        self._steps = 0
        self._assigned: deque[Floats] = deque(maxlen=self._revision)
        self._told: deque[Turns] = deque(maxlen=self._revision)
        self._since_prints = 0
        self._ended = False

    def take(self, heard: Heard) -> list[Window]:
        """The windows that are complete with this audio. Raises ValueError when it does not follow."""
        if heard.start != self._end:
            raise ValueError(f"audio at sample {heard.start} does not follow {self._end}")
        self._audio = np.concatenate([self._audio, heard.samples])
        self._end = heard.end
        return self._windows()

    def rest(self) -> list[Window]:
        """The windows that are left when the audio ends: silence is heard after it until all of it is decided."""
        self._ended = True
        waiting = len(self._audio) - (_WINDOW_HEARD - _STEP_HEARD)
        steps = -(-waiting // _STEP_HEARD) + self._latency - 1
        silence = max(0, steps * _STEP_HEARD - waiting)
        self._audio = np.concatenate([self._audio, np.zeros(silence, np.float32)])
        return self._windows()

    def decide(self, window: Window, probabilities: Floats, embeddings: Floats) -> list[Said]:
        """What is said once the models have answered for the next window, in order.

        `probabilities` (frames, local speakers); `embeddings` (local speakers, dimensions) without numbers for who
        does not talk.
        """
        self._assigned.append(self.speakers.assign(probabilities, embeddings))
        named = self.speakers.named
        said: list[Said] = []
        turns = self._turns(window.end, self._latency)
        if turns.watermark > self._start:
            self._told.append(turns)
            said.append(turns)
            for turn in turns.turns:
                self.speakers.spoke(turn.speaker, (turn.end - turn.start) / SAMPLE_RATE)
        said += self._revised(window.end, self._revision)
        self._since_prints += 1
        if self.speakers.named != named or (self._since_prints >= _PRINTS and named):
            said.append(self.speakers.prints())
            self._since_prints = 0
        return said

    def conclude(self) -> list[Said]:
        """What is said after the last window: the best account of the last seconds, and the speakers."""
        end = self._start + self._steps * STEP
        said: list[Said] = []
        for latency in range(self._revision - 1, self._latency, -1):
            said += self._revised(end, latency)
        return [*said, self.speakers.prints()] if self.speakers.named else said

    def _windows(self) -> list[Window]:
        windows = []
        while len(self._audio) >= _WINDOW_HEARD:
            self._steps += 1
            silent = max(0, _WINDOW_HEARD - self._steps * _STEP_HEARD)
            samples = self._audio[:_WINDOW_HEARD].copy()
            offset = samples[silent:].mean()
            if abs(offset) > _OFFSET:
                samples[silent:] -= offset
            windows.append(Window(self._start + self._steps * STEP, samples))
            self._audio = self._audio[_STEP_HEARD:]
        self._audio = self._audio.copy()
        return windows

    def _revised(self, end: int, latency: int) -> list[Said]:
        """The second account of the half second that lies `latency` steps before `end`, where it says otherwise."""
        start = end - latency * STEP
        if latency <= self._latency:
            return []
        while self._told and self._told[0].watermark - STEP < start:
            self._told.popleft()
        if not self._told or self._told[0].watermark - STEP != start:
            return []
        first, second = self._told.popleft(), self._turns(end, latency)
        if _difference(first.turns, second.turns) <= _SAME:
            return []
        return [TurnRevision(start, first.watermark, second.turns)]

    def _turns(self, end: int, latency: int) -> Turns:
        """Who spoke in the half second that lies `latency` steps before `end`, after all windows that contain it."""
        start = end - latency * STEP
        limit = self._end if self._ended else end
        mean, frames = _aggregate(list(self._assigned)[-latency:], latency)
        edges = start + np.round((np.arange(frames) + 0.5) * STEP / frames).astype(int)
        turns = []
        for speaker, first, last in _runs(mean > self.speakers.thresholds.active):
            begin = start if first == 0 else int(edges[first])
            until = start + STEP if last == frames else int(edges[last])
            begin, until = max(begin, self._start), min(until, limit)
            if begin < until:
                probability = float(mean[first:last, speaker].mean())
                turns.append(SpeakerTurn(begin, until, self.speakers.label(speaker), probability))
        return Turns(tuple(turns), min(start + STEP, limit))


def _aggregate(windows: Sequence[Floats], latency: int) -> tuple[Floats, int]:
    """The mean (frames, speakers) over windows that end half a second apart, of the half second `latency` steps back.

    diart's own, which weighs the middle of a window more than its ends.
    """
    from diart.blocks.aggregation import DelayedAggregation
    from pyannote.core import SlidingWindow, SlidingWindowFeature

    heard = []
    for index, window in enumerate(windows):
        resolution = WINDOW_S / len(window)
        # Not from 0: diart takes that for the beginning of a stream, and tells more than was asked for.
        place = SlidingWindow(start=(index + 1) * STEP_S, duration=resolution, step=resolution)
        heard.append(SlidingWindowFeature(window, place))
    mean = DelayedAggregation(STEP_S, latency * STEP_S)(heard).data
    return mean, len(mean)


def _runs(active: NDArray[np.bool_]) -> Iterator[tuple[int, int, int]]:
    """(speaker, first frame, frame after the last) of each stretch that is active, shape (frames, speakers)."""
    edges = np.diff(active.astype(np.int8), axis=0, prepend=0, append=0).T
    for speaker in np.flatnonzero(active.any(axis=0)):
        starts, ends = np.flatnonzero(edges[speaker] == 1), np.flatnonzero(edges[speaker] == -1)
        for first, last in zip(starts, ends, strict=True):
            yield int(speaker), int(first), int(last)


def _difference(first: Sequence[SpeakerTurn], second: Sequence[SpeakerTurn]) -> int:
    """Samples in which two accounts do not name the same speakers, summed over these."""
    changes: dict[str, int] = {}
    for speaker in {turn.speaker for turn in [*first, *second]}:
        a = [(turn.start, turn.end) for turn in first if turn.speaker == speaker]
        b = [(turn.start, turn.end) for turn in second if turn.speaker == speaker]
        both = sum(max(0, min(x[1], y[1]) - max(x[0], y[0])) for x in a for y in b)
        changes[speaker] = sum(end - start for start, end in [*a, *b]) - 2 * both
    return sum(changes.values())
