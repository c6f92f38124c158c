"""When somebody speaks: a gate over the speech probability of frames, as Silero VAD gives them.

It decides when decoding is worth it and removes no audio. Thresholds and durations follow silero-vad's own
`get_speech_timestamps`, as a stream.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from server.audio.frame import Samples
from server.clock import SAMPLE_RATE
from server.speech.heard import RATIO, Heard
from server.speech.processor import Failure, Request, Watermark

FRAME = 512
"""Samples at 16 kHz that get one probability: 32 ms."""

CONTEXT = 64
"""Samples before a frame that the model sees with it."""

STATE = (1, 1, 128)
"""Shape of each of the model's two memories."""

_FRAME_LENGTH = FRAME * RATIO


@dataclass(frozen=True, slots=True)
class VadSettings:
    """Probabilities in [0, 1], durations in 48 kHz samples."""

    onset: float = 0.5
    """Speech begins at a frame with at least this probability."""
    offset: float = 0.35
    """Speech goes on while frames have at least this."""
    pre_roll: int = SAMPLE_RATE * 3 // 10
    """A segment starts so much before its first frame: quiet first sounds belong to the word."""
    minimum_speech: int = 2 * _FRAME_LENGTH
    """Less is a click."""
    minimum_silence: int = SAMPLE_RATE * 2 // 5
    """Less is a pause within a segment."""
    frames: int = 3
    """Frames to wait for before a request: more cost less and answer later."""
    most_frames: int = 96
    """Frames in a request at most, when many wait: 3 s."""


@dataclass(frozen=True, slots=True)
class SpeechStart:
    """Somebody began to speak at `start`, pre-roll included; that was clear at `at`."""

    start: int
    at: int


@dataclass(frozen=True, slots=True)
class SpeechEnd:
    """The last speech frame ended at `end`; that it was the last was clear at `at`."""

    end: int
    at: int


@dataclass(frozen=True, slots=True)
class Voicing:
    """Speech probability of consecutive frames of 1536 samples (48 kHz) from `start` on.

    Comes after every `SpeechStart` and `SpeechEnd` that these frames decided.
    """

    start: int
    probabilities: tuple[float, ...]

    @property
    def end(self) -> int:
        return self.start + _FRAME_LENGTH * len(self.probabilities)


VadEvent = SpeechStart | SpeechEnd | Voicing | Watermark


class VadGate:
    """Heard audio in; speech segments, probabilities and a watermark out.

    The watermark is the earliest sample at which a segment that is not yet told may start. Model "vad": arrays
    (frames (n, 576) float32: 64 samples of context and 512, memory h, memory c, each (1, 1, 128) float32); answer
    (probabilities (n,), h, c). While the model fails, everything counts as speech: losing words is worse than
    decoding noise.
    """

    def __init__(self, ids: Iterator[int], settings: VadSettings | None = None) -> None:
        self._settings = settings or VadSettings()
        if not 0 < self._settings.offset <= self._settings.onset <= 1 or self._settings.frames < 1:
            raise ValueError("0 < offset ≤ onset ≤ 1, and at least one frame to a request")
        self._ids = ids
        self._context: Samples = np.zeros(CONTEXT, np.float32)
        self._waiting: Samples = np.zeros(0, np.float32)
        self._memory: tuple[NDArray[np.float32], NDArray[np.float32]] = _no_memory()
        self._open: tuple[int, int] | None = None
        self._first: int | None = None
        self._judged = 0
        self._ended = False
        self._end = 0
        self._floor = 0
        self._candidate: int | None = None
        self._silent_from: int | None = None
        self._speaking = False
        self.failures = 0
        """Requests that no model answered."""

    @property
    def speaking(self) -> bool:
        return self._speaking

    def push(self, item: Heard) -> list[VadEvent | Request]:
        if self._ended:
            raise ValueError("nothing follows the end")
        if self._first is None:
            self._first = self._judged = self._floor = item.start
        self._waiting = np.concatenate([self._waiting, item.samples])
        self._end = item.end
        return list(self._ask())

    def result(self, request_id: int, value: Any | Failure) -> list[VadEvent | Request]:
        if self._open is None or self._open[0] != request_id:
            raise KeyError(request_id)
        count = self._open[1]
        self._open = None
        if isinstance(value, Failure):
            self.failures += 1
            self._memory = _no_memory()
            probabilities = (self._settings.onset,) * count
        else:
            found, hidden, cell = value
            self._memory = hidden, cell
            probabilities = tuple(float(p) for p in np.asarray(found).reshape(-1)[:count])
        return [*self._judge(probabilities), *self._ask()]

    def flush(self) -> list[VadEvent | Request]:
        self._ended = True
        return list(self._ask())

    def _ask(self) -> Iterator[VadEvent | Request]:
        if self._open is not None or self._first is None:
            return
        count = min(len(self._waiting) // FRAME, self._settings.most_frames)
        if count < self._settings.frames:
            if not self._ended:
                return
            count = -(-len(self._waiting) // FRAME)
            self._waiting = np.pad(self._waiting, (0, count * FRAME - len(self._waiting)))
        if count == 0:
            yield from self._finish()
            return
        taken, self._waiting = self._waiting[: count * FRAME], self._waiting[count * FRAME :]
        samples = np.concatenate([self._context, taken])
        self._context = samples[-CONTEXT:]
        frames = np.stack([samples[i * FRAME : (i + 1) * FRAME + CONTEXT] for i in range(count)])
        number = next(self._ids)
        self._open = number, count
        deadline = self._judged + 2 * count * _FRAME_LENGTH
        yield Request(number, "vad", (frames, *self._memory), deadline, droppable=False)

    def _judge(self, probabilities: tuple[float, ...]) -> Iterator[VadEvent]:
        start = self._judged
        for probability in probabilities:
            frame = self._judged
            self._judged += _FRAME_LENGTH
            yield from self._step(frame, probability)
        yield Voicing(start, probabilities)
        if not self._speaking:
            earliest = self._judged if self._candidate is None else self._candidate
            self._floor = max(self._floor, earliest - self._settings.pre_roll)
            yield Watermark(self._floor)

    def _step(self, frame: int, probability: float) -> Iterator[VadEvent]:
        settings, now = self._settings, self._judged
        if self._speaking:
            if probability >= settings.offset:
                self._silent_from = None
                return
            self._silent_from = frame if self._silent_from is None else self._silent_from
            if now - self._silent_from >= settings.minimum_silence:
                yield self._stop(self._silent_from, now)
            return
        threshold = settings.onset if self._candidate is None else settings.offset
        if probability < threshold:
            self._candidate = None
            return
        self._candidate = frame if self._candidate is None else self._candidate
        if now - self._candidate >= settings.minimum_speech:
            yield self._begin(now)

    def _begin(self, now: int) -> SpeechStart:
        assert self._candidate is not None
        start = max(self._floor, self._candidate - self._settings.pre_roll)
        self._speaking, self._candidate, self._silent_from = True, None, None
        self._floor = start
        return SpeechStart(start, now)

    def _stop(self, end: int, now: int) -> SpeechEnd:
        self._speaking, self._candidate, self._silent_from = False, None, None
        self._floor = end
        return SpeechEnd(end, now)

    def _finish(self) -> Iterator[VadEvent]:
        """What the end decides: a beginning too short to count may have been cut off, so it counts."""
        if self._candidate is not None:
            yield self._begin(self._judged)
        if self._speaking:
            end = min(self._end, self._judged if self._silent_from is None else self._silent_from)
            yield self._stop(end, self._judged)
        yield Voicing(self._judged, ())
        yield Watermark(max(self._floor, self._end))
        self._first = None

    @property
    def done(self) -> bool:
        """Whether the end was judged: nothing more will come."""
        return self._ended and self._first is None and self._open is None


def _no_memory() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return np.zeros(STATE, np.float32), np.zeros(STATE, np.float32)
