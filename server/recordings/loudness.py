"""How loud a recording is, by EBU R128: FFmpeg's meter, fed as the file is decoded. Blocks."""

from __future__ import annotations

import math
from fractions import Fraction

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.filter import Graph

from server.audio.frame import Samples
from server.clock import SAMPLE_RATE
from server.recordings.facts import Loudness

SILENCE_LUFS = -70.0
"""The absolute gate of ITU-R BS.1770: a recording at it has none that could be measured."""
TICK = Fraction(1, SAMPLE_RATE)
BLOCK = SAMPLE_RATE
"""Samples given to the meter at once."""


class LoudnessMeter:
    """Integrated loudness, loudness range and true peak of one or two channels, in bounded memory.

    One channel is measured as one (ITU-R BS.1770-5): the same sound on both of two is 3 LU louder. What is left of a
    block of 100 ms at the end does not count.
    """

    def __init__(self, channels: int) -> None:
        self._layout = "mono" if channels == 1 else "stereo"
        self._graph = Graph()
        source = self._graph.add_abuffer(sample_rate=SAMPLE_RATE, format="fltp", layout=self._layout, time_base=TICK)
        meter = self._graph.add("ebur128", "metadata=1:peak=true:framelog=quiet")
        sink = self._graph.add("abuffersink")
        source.link_to(meter)
        meter.link_to(sink)
        self._graph.configure()
        self._pieces: list[Samples] = []
        self._waiting = 0
        self._position = 0
        self._told: dict[str, str] = {}

    def push(self, samples: Samples) -> None:
        """Take the next samples, shape (n,) for one channel, (n, 2) for two."""
        self._pieces.append(samples)
        self._waiting += len(samples)
        if self._waiting >= BLOCK:
            self._flush()

    def loudness(self) -> Loudness:
        """What was found. Nothing can be pushed afterwards."""
        self._flush()
        self._graph.push(None)
        self._collect()
        integrated, peak = self._number("I", SILENCE_LUFS), self._number("true_peak", 0.0)
        heard = integrated > SILENCE_LUFS
        return Loudness(
            integrated_lufs=round(integrated, 1) if heard else None,
            range_lu=round(self._number("LRA", 0.0), 1) if heard else None,
            true_peak_dbtp=round(20.0 * math.log10(peak), 1) if peak > 0.0 else None,
        )

    def _number(self, name: str, missing: float) -> float:
        return float(self._told.get(f"lavfi.r128.{name}", missing))

    def _flush(self) -> None:
        if not self._waiting:
            return
        block = np.concatenate(self._pieces).astype(np.float32)
        self._pieces, self._waiting = [], 0
        planes = block[None] if block.ndim == 1 else block.T
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(planes), format="fltp", layout=self._layout)
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, self._position, TICK
        self._position += len(block)
        self._graph.push(frame)
        self._collect()

    def _collect(self) -> None:
        """The meter writes what it has found up to then on every block that leaves it."""
        while True:
            try:
                # What is left of a block at the end says nothing.
                self._told = dict(self._graph.pull().metadata) or self._told
            except (av.error.BlockingIOError, av.error.EOFError):
                return
