"""The spectrogram of a recording, for drawing it: level by time and pitch, in bounded memory."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from server.audio.frame import Samples
from server.clock import HOP, SAMPLE_RATE

WIDTH = 2400
"""Columns at most."""
HEIGHT = 256
TOP_HZ = 12_000.0
WINDOW = 2048
"""Samples of one look, 43 ms."""
FLOOR_DB = -100.0
CEILING_DB = -20.0
"""What is drawn as nothing and as full, in dB below a sine at full scale in one row."""
FRAMES = 128
"""Looks that are worked on at once."""
SPACING = WINDOW // 2


class SpectrogramMeter:
    """Takes audio of a length that is known, from front to end.

    A column stands for `step` samples, its looks lie at most half a window apart. Rows are evenly spaced in mel
    (O'Shaughnessy 1987) from 0 to 12 kHz; one that is narrower than a line of the transform shows that line.
    """

    def __init__(self, length: int) -> None:
        self.step = max(HOP, -(-max(1, length) // WIDTH))
        self.columns = max(1, -(-length // self.step))
        self._looks = -(-self.step // SPACING)
        """In each column."""
        self._levels = np.zeros((HEIGHT, self.columns), np.uint8)
        self._rows = _rows()
        self._window = np.hanning(WINDOW + 1)[:WINDOW].astype(np.float32)
        self._scale = (2.0 / float(self._window.sum())) ** 2
        self._number = 0
        """Of the next look."""
        self._power = np.zeros(WINDOW // 2 + 1)
        self._buffer: Samples = np.zeros(WINDOW, np.float32)
        self._start = -WINDOW
        """Where the buffer begins: before the audio there is silence."""
        self._pieces: list[Samples] = []
        self._waiting = 0

    def push(self, samples: Samples) -> None:
        """Take the next samples, shape (n,)."""
        self._pieces.append(samples)
        self._waiting += len(samples)
        if self._waiting >= FRAMES * SPACING:
            self._look()

    def image(self) -> NDArray[np.uint8]:
        """Levels from 0 to 255, shape (256, columns), the highest pitch first. Nothing can be pushed afterwards."""
        self._pieces.append(np.zeros(WINDOW + self.step, np.float32))
        self._look()
        return self._levels

    def _begin(self, number: int) -> int:
        """Where a look begins."""
        return math.floor((number + 0.5) * self.step / self._looks) - WINDOW // 2

    def _look(self) -> None:
        """As many looks as there is audio for."""
        self._buffer = np.concatenate([self._buffer, *self._pieces])
        self._pieces, self._waiting = [], 0
        end, most = self._start + len(self._buffer), self.columns * self._looks
        while self._number < most and self._begin(self._number) + WINDOW <= end:
            numbers = [
                number
                for number in range(self._number, min(self._number + FRAMES, most))
                if self._begin(number) + WINDOW <= end
            ]
            begins = np.array([self._begin(number) - self._start for number in numbers])
            frames = self._buffer[begins[:, None] + np.arange(WINDOW)] * self._window
            for number, power in zip(numbers, np.abs(np.fft.rfft(frames, axis=1)) ** 2, strict=True):
                self._take(number, power)
            self._number = numbers[-1] + 1
        keep = max(0, min(len(self._buffer), self._begin(self._number) - self._start))
        self._buffer = self._buffer[keep:]
        self._start += keep

    def _take(self, number: int, power: NDArray[np.float64]) -> None:
        self._power += power
        column, last = divmod(number + 1, self._looks)
        if last:
            return
        rows = self._rows @ (self._power * (self._scale / self._looks))
        decibels = 10.0 * np.log10(np.maximum(rows, 1e-12))
        shares = np.clip((decibels - FLOOR_DB) / (CEILING_DB - FLOOR_DB), 0.0, 1.0)
        self._levels[:, column - 1] = np.round(255.0 * shares[::-1]).astype(np.uint8)
        self._power = np.zeros(WINDOW // 2 + 1)


def row_of(frequency: float) -> float:
    """Where a frequency in Hz lies in the image: 0 for the upper edge, 256 for the lower one."""
    return HEIGHT * (1.0 - _mel(frequency) / _mel(TOP_HZ))


def _mel(frequency: float) -> float:
    return 2595.0 * math.log10(1.0 + frequency / 700.0)


def _rows() -> NDArray[np.float64]:
    """How much of each line each row takes, lowest row first, shape (256, 1025); the sums are 1."""
    edges = 700.0 * (10.0 ** (np.linspace(0.0, _mel(TOP_HZ), HEIGHT + 1) / 2595.0) - 1.0)
    width = SAMPLE_RATE / WINDOW
    lines = np.arange(WINDOW // 2 + 1) * width
    low, high = edges[:-1, None], edges[1:, None]
    overlap = np.clip(np.minimum(high, lines + width / 2) - np.maximum(low, lines - width / 2), 0.0, None)
    return np.asarray(overlap / overlap.sum(axis=1, keepdims=True))
