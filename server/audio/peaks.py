"""The outline of a recording, for drawing it: the largest magnitude in each of a bounded number of steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
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
    pauses: tuple[tuple[float, float], ...] = ()
    """When nobody is heard for a second or more: (start, end), seconds."""

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


class PauseMeter:
    """Finds where it is quiet, measured against how loud the rest is. Keeps a byte for each `STEP_S` of audio."""

    STEP_S = 0.05
    LEAST_S = 1.0
    """What is shorter is a breath."""
    BELOW_DB = 30
    """How far a pause lies below loud speech."""
    FLOOR_DB, CEILING_DB = -60, -36
    """What is below the one is always quiet, what is above the other never."""

    def __init__(self) -> None:
        self._size = round(self.STEP_S * SAMPLE_RATE)
        self._levels = bytearray()
        self._rest = np.zeros(0, np.float32)

    def push(self, samples: Samples) -> None:
        """Take the next samples, shape (n,)."""
        samples = np.concatenate((self._rest, samples))
        whole = len(samples) // self._size
        self._rest = samples[whole * self._size :]
        if whole:
            parts = samples[: whole * self._size].reshape(whole, self._size)
            power = np.mean(np.square(parts, dtype=np.float64), axis=1)
            self._levels += np.clip(-10 * np.log10(power + 1e-12), 0, 120).astype(np.uint8).tobytes()

    def pauses(self) -> tuple[tuple[float, float], ...]:
        """(start, end) of each, seconds, in order."""
        levels = -np.frombuffer(bytes(self._levels), np.uint8).astype(np.int16)
        if not len(levels):
            return ()
        loud = float(np.percentile(levels, 95))
        quiet = levels < min(self.CEILING_DB, max(self.FLOOR_DB, loud - self.BELOW_DB))
        edges = np.flatnonzero(np.diff(np.concatenate(([0], quiet.astype(np.int8), [0]))))
        least = round(self.LEAST_S / self.STEP_S)
        return tuple(
            (round(start * self.STEP_S, 2), round(end * self.STEP_S, 2))
            for start, end in edges.reshape(-1, 2).tolist()
            if end - start >= least
        )


def decode_file(file: BinaryIO, channels: int = 1) -> Iterator[Samples]:
    """The audio of an Ogg/Opus file, damaged or not, a packet at a time in [-1, 1]: (n,) for mono, (n, 2) for stereo.

    Pre-skip and end are trimmed, what is lost is concealed, so that the total is the file's duration. Raises
    OggError when the file does not begin like Ogg/Opus.
    """
    info = scan(file)
    decoder = OpusDecoder(channels)
    skip, left = info.pre_skip, info.duration_samples
    for packet in read_packets(file):
        if not left:
            return
        try:
            samples = decoder.decode(packet, PACKET if packet is None else MAX_PACKET_SAMPLES)
        except OpusError:
            samples = np.zeros(PACKET if channels == 1 else (PACKET, channels), np.float32)
        part = samples[skip:][:left]
        skip = max(0, skip - len(samples))
        left -= len(part)
        if len(part):
            yield part


def file_peaks(file: BinaryIO, limit: int = 2000) -> Peaks:
    """Outline and pauses of an Ogg/Opus file, in at most `limit` steps. Blocks: about half a minute for three hours."""
    meter, pauses = PeakMeter(limit), PauseMeter()
    for samples in decode_file(file):
        meter.push(samples)
        pauses.push(samples)
    return replace(meter.peaks(), pauses=pauses.pauses())
