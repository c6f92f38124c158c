"""The outline of a recording, for drawing it: the largest magnitude in each of a bounded number of steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from server.audio.frame import Samples
from server.audio.ogg import read_packets, scan
from server.audio.opus import MAX_PACKET_SAMPLES, OpusDecoder, OpusError
from server.clock import HOP, PACKET, SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class Peaks:
    """`values[i]` in [0, 1] is the largest magnitude of step i; the last step may be shorter."""

    step: int
    """Samples at 48 kHz in a step."""
    values: tuple[float, ...]

    @property
    def step_seconds(self) -> float:
        return self.step / SAMPLE_RATE


class PeakMeter:
    """Collects peaks of audio of any length in bounded memory: when `limit` steps are full, steps double."""

    def __init__(self, limit: int = 2000) -> None:
        if limit < 2:
            raise ValueError("an outline has at least two steps")
        self._limit = limit - limit % 2
        self._step = HOP
        self._full: list[float] = []
        self._part = 0.0
        self._part_size = 0

    def push(self, samples: Samples) -> None:
        """Take the next samples, shape (n,)."""
        magnitude = np.abs(samples)
        while magnitude.size:
            room = self._step - self._part_size
            head, magnitude = magnitude[:room], magnitude[room:]
            self._part = max(self._part, float(head.max()))
            self._part_size += head.size
            if self._part_size == self._step:
                self._full.append(self._part)
                self._part, self._part_size = 0.0, 0
                if len(self._full) == self._limit:
                    self._full = [max(pair) for pair in zip(self._full[::2], self._full[1::2], strict=True)]
                    self._step *= 2

    def peaks(self) -> Peaks:
        """What was heard so far."""
        values = [*self._full, self._part] if self._part_size else self._full
        return Peaks(self._step, tuple(round(min(1.0, value), 4) for value in values))


def decode_file(file: BinaryIO) -> Iterator[Samples]:
    """The audio of an Ogg/Opus file, damaged or not, a packet at a time, mono in [-1, 1], shape (n,).

    Pre-skip and end are trimmed, what is lost is concealed, so that the total is the file's duration. Raises
    OggError when the file does not begin like Ogg/Opus.
    """
    info = scan(file)
    decoder = OpusDecoder(1)
    skip, left = info.pre_skip, info.duration_samples
    for packet in read_packets(file):
        if not left:
            return
        try:
            samples = decoder.decode(packet, PACKET if packet is None else MAX_PACKET_SAMPLES)
        except OpusError:
            samples = np.zeros(PACKET, np.float32)
        part = samples[skip:][:left]
        skip = max(0, skip - len(samples))
        left -= len(part)
        if len(part):
            yield part


def file_peaks(file: BinaryIO, limit: int = 2000) -> Peaks:
    """The outline of an Ogg/Opus file in at most `limit` steps. Blocks: about half a minute for three hours."""
    meter = PeakMeter(limit)
    for samples in decode_file(file):
        meter.push(samples)
    return meter.peaks()
