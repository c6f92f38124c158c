"""A recording cut into windows that a recogniser hears at once: between its pauses, and never in the middle of a word.

Segments of speech are packed, with the silence between them, into windows as long as the model takes; whoever talks on
without a pause is cut where the voice is weakest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from server.clock import SAMPLE_RATE
from server.speech.evidence import VoicingTrack
from server.speech.vad import SpeechEnd, SpeechStart, VadEvent, Voicing

_WEAKEST_OVER = 3
"""Frames over which the voice is averaged to find its weakest place: about 0.1 s."""


@dataclass(frozen=True, slots=True)
class WindowSettings:
    """Durations in 48 kHz samples."""

    longest: int = 18 * SAMPLE_RATE
    """Well below the 30 s that Whisper hears: a mistake spoils less, and small models write worse the longer."""
    pause: int = 2 * SAMPLE_RATE
    """So much silence is not worth hearing: models write into it."""
    after: int = SAMPLE_RATE // 5
    """Silence after the last frame of speech: last sounds are quiet."""


@dataclass(frozen=True, slots=True)
class Window:
    """Speech from `start` to `end` (48 kHz), to be decoded at once."""

    start: int
    end: int


class WindowPacker:
    """Events of the voice gate in, each after the voicing before it; windows out, in order, never overlapping.

    `floor` is where a window that is not yet told may start at the earliest.
    """

    def __init__(self, track: VoicingTrack, settings: WindowSettings | None = None) -> None:
        """`track` holds the voicing of what was not told yet; the caller keeps it."""
        self._track = track
        self._settings = settings or WindowSettings()
        self._packed: Window | None = None
        self._speech: int | None = None
        self._floor = 0

    @property
    def floor(self) -> int:
        if self._packed is not None:
            return self._packed.start
        return self._floor if self._speech is None else self._speech

    def begin(self, sample: int) -> None:
        """The audio starts here."""
        self._floor = sample

    def push(self, event: VadEvent) -> list[Window]:
        """Take the gate's next event."""
        match event:
            case SpeechStart():
                self._speech = max(self._floor, event.start)
                return list(self._started(self._speech))
            case SpeechEnd():
                return list(self._ended(event.end))
            case Voicing():
                return list(self._judged(event.end))
            case _:
                if self._speech is None and self._packed is None:
                    self._floor = max(self._floor, event.sample)
                return []

    def flush(self) -> list[Window]:
        """The end: what is packed goes out."""
        return list(self._close(None))

    def _started(self, start: int) -> Iterator[Window]:
        if self._packed is not None and start - self._packed.end > self._settings.pause:
            yield from self._close(start)

    def _ended(self, end: int) -> Iterator[Window]:
        if self._speech is None:
            return
        yield from self._judged(end)
        start = self._speech
        self._packed = Window(self._packed.start if self._packed else start, max(start, end))
        self._speech = None

    def _judged(self, reached: int) -> Iterator[Window]:
        """Close what gets too long, or was followed by silence for long enough."""
        longest = self._settings.longest
        if self._speech is None:
            if self._packed is not None and reached - self._packed.end > self._settings.pause + self._settings.after:
                yield from self._close(reached)
            return
        if self._packed is not None and reached - self._packed.start > longest:
            yield from self._close(self._speech)
        while reached - self._speech > longest:
            cut = self._weakest(self._speech + longest // 2, self._speech + longest)
            yield self._told(Window(self._speech, cut))
            self._speech = cut

    def _close(self, following: int | None) -> Iterator[Window]:
        """Tell what is packed; `following` is where the next may start."""
        if self._packed is None:
            return
        end = self._packed.end + self._settings.after
        packed, self._packed = self._packed, None
        yield self._told(Window(packed.start, end if following is None else min(end, following)))

    def _told(self, window: Window) -> Window:
        self._floor = window.end
        return window

    def _weakest(self, start: int, end: int) -> int:
        """The sample between two at which the voice is weakest; the later one among equals."""
        values = np.asarray(self._track.between(start, end), np.float64)
        if len(values) < _WEAKEST_OVER:
            return end
        smooth = np.convolve(values, np.full(_WEAKEST_OVER, 1 / _WEAKEST_OVER), mode="valid")
        place = len(smooth) - 1 - int(np.argmin(smooth[::-1].round(3)))
        frame = (end - start) // len(values)
        return min(end, self._track.frame_start(start) + (place + _WEAKEST_OVER // 2) * frame + frame // 2)
