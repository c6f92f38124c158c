"""Audio as models of speech hear it: 16 kHz, on the stream's 48 kHz timeline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from server.audio.frame import AudioFrame, Samples
from server.audio.resample import StreamResampler
from server.clock import SAMPLE_RATE

HEARD_RATE = 16_000
"""Samples a second that Silero VAD, Whisper and the diarization models take."""

RATIO = SAMPLE_RATE // HEARD_RATE
"""Samples of the timeline to one that a model hears."""

_BLOCK = 960
"""Samples of the timeline that are resampled at once: 20 ms."""


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """Consecutive audio at 16 kHz. `start` is the 48 kHz index at which its first sample stands."""

    start: int
    samples: Samples

    @property
    def end(self) -> int:
        """48 kHz index at which the next sample will stand."""
        return self.start + RATIO * len(self.samples)


class Ear:
    """Resamples a stream's timeline. The resampler's delay moves nothing: each sample stands where it was said.

    Audio is resampled in blocks counted from its start, so that not even the last bit depends on how it was cut into
    frames: a quantised model may hear another word for one.
    """

    def __init__(self) -> None:
        self._resampler = StreamResampler(SAMPLE_RATE, HEARD_RATE)
        self._waiting: Samples = np.zeros(0, np.float32)
        self._next_in: int | None = None
        self._next_out = 0

    @property
    def reached(self) -> int:
        """48 kHz index at which the next heard sample will stand."""
        return self._next_out

    def push(self, frame: AudioFrame) -> Heard:
        """What can be heard so far, perhaps nothing. Raises ValueError when the frame does not follow the last."""
        if self._next_in is None:
            self._next_in = self._next_out = frame.start
        if frame.start != self._next_in:
            raise ValueError(f"audio at sample {frame.start} does not follow {self._next_in}")
        self._next_in = frame.end
        # A microphone that clips or has an offset is heard as it is, one that sends no numbers as silence.
        samples = np.nan_to_num(np.asarray(frame.samples, np.float32), nan=0.0, posinf=1.0, neginf=-1.0)
        waiting = np.concatenate([self._waiting, samples])
        whole = len(waiting) // _BLOCK * _BLOCK
        self._waiting = waiting[whole:]
        return self._out([self._resampler.push(block) for block in waiting[:whole].reshape(-1, _BLOCK)])

    def flush(self) -> Heard:
        """The rest."""
        last = self._resampler.push(self._waiting)
        self._waiting = self._waiting[:0]
        return self._out([last, self._resampler.flush()])

    def _out(self, pieces: list[Samples]) -> Heard:
        heard = Heard(self._next_out, np.concatenate([np.zeros(0, np.float32), *pieces]))
        self._next_out = heard.end
        return heard


class HeardBuffer:
    """The audio that may still be needed, contiguous, from `start` to `end` (48 kHz indices)."""

    def __init__(self) -> None:
        self._pieces: list[Samples] = []
        self._samples: Samples = np.zeros(0, np.float32)
        self.start = 0
        self.end = 0
        self._empty = True

    def append(self, piece: Heard) -> None:
        """Raises ValueError when the piece does not follow."""
        if self._empty:
            self.start = self.end = piece.start
            self._empty = False
        if piece.start != self.end:
            raise ValueError(f"audio at sample {piece.start} does not follow {self.end}")
        self._pieces.append(piece.samples)
        self.end = piece.end

    def between(self, start: int, end: int) -> Samples:
        """The samples from 48 kHz index `start` to `end`, as far as they are there; a copy of shape (n,)."""
        self._join()
        return self._samples[self._index(start) : self._index(end)].copy()

    def forget(self, before: int) -> None:
        """Drop what lies before a 48 kHz index; the rest keeps its place."""
        self._join()
        count = min(self._index(before), len(self._samples))
        if count > 0:
            self._samples = self._samples[count:].copy()
            self.start += RATIO * count

    def _index(self, sample: int) -> int:
        return max(0, (sample - self.start) // RATIO)

    def _join(self) -> None:
        if self._pieces:
            self._samples = np.concatenate([self._samples, *self._pieces])
            self._pieces.clear()
