"""How a sender's clock runs against ours, read off the arrivals of its audio."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from server.clock import SAMPLE_RATE

MAX_SKEW = 800e-6

_BUCKET = SAMPLE_RATE // 2
_FLOOR_BUCKETS = 4
"""2 s: short, so that the floor follows a drift."""
_NEED_BUCKETS = 20
"""10 s: how long one slow arrival keeps the delay up."""
_SKEW_BUCKET = 2 * SAMPLE_RATE
_SKEW_BUCKETS = 60
"""2 min."""
_SKEW_FIRST = 5
_SKEW_SILENT = 2e-6


@dataclass(slots=True)
class _Bucket:
    index: int
    floor: float
    need: float
    longest: float


class ArrivalEstimator:
    """Offsets between arrival and sender's time, all in samples at 48 kHz.

    The offset of a piece of audio is its arrival minus the sender's time of its end. The network only ever adds, so
    the smallest offsets show the path at its best, and their slope over minutes shows how fast the clocks part.
    """

    def __init__(self) -> None:
        self._buckets: deque[_Bucket] = deque(maxlen=_NEED_BUCKETS)
        self._minima: deque[tuple[int, float, float]] = deque(maxlen=_SKEW_BUCKETS)
        self.floor = 0.0
        """Smallest offset of the last 2 s in which anything came."""
        self.need = 0.0
        """Largest offset of a piece's *first* sample in the last 10 s: played this late, nothing would be missing."""
        self.longest = 0.0
        """The longest piece of the last 10 s."""
        self.skew = 0.0
        """Growth of the offset, samples a sample: positive where the sender's clock is slow. 0 until it is sure."""

    @property
    def empty(self) -> bool:
        """Whether nothing has arrived yet."""
        return not self._buckets

    def add(self, arrival: int, end: float, length: float) -> None:
        """A piece of `length` whose sender's time ends at `end` came at `arrival`."""
        offset = arrival - end
        index = arrival // _BUCKET
        last = self._buckets[-1] if self._buckets else None
        if last is None or index > last.index:
            self._buckets.append(_Bucket(index, offset, offset + length, length))
        else:
            last.floor = min(last.floor, offset)
            last.need = max(last.need, offset + length)
            last.longest = max(last.longest, length)
        if last is None or index > last.index or not self.floor <= offset <= offset + length <= self.need:
            self.floor = min(bucket.floor for bucket in list(self._buckets)[-_FLOOR_BUCKETS:])
            self.need = max(bucket.need for bucket in self._buckets)
            self.longest = max(bucket.longest for bucket in self._buckets)
        self._add_minimum(arrival, offset)

    def _add_minimum(self, arrival: int, offset: float) -> None:
        index = arrival // _SKEW_BUCKET
        if self._minima and index <= self._minima[-1][0]:
            if offset < self._minima[-1][2]:
                self._minima[-1] = (self._minima[-1][0], float(arrival), offset)
            return
        if len(self._minima) >= _SKEW_FIRST:
            self.skew = _slope(np.array([(time, value) for _, time, value in self._minima]))
        self._minima.append((index, float(arrival), offset))


def _slope(points: NDArray[np.float64]) -> float:
    """Slope through points (n, 2) by Theil and Sen, which a few slow moments do not bend; 0 where it may be chance."""
    times, values = points[:, 0] - points[0, 0], points[:, 1]
    first, second = np.triu_indices(len(points), 1)
    slope = float(np.median((values[second] - values[first]) / (times[second] - times[first])))
    residuals = values - slope * times
    spread = 1.4826 * float(np.median(np.abs(residuals - np.median(residuals))))
    doubt = spread / (float(times.std()) * np.sqrt(len(points)))
    if abs(slope) < _SKEW_SILENT + 3.0 * doubt:
        return 0.0
    return float(np.clip(slope, -MAX_SKEW, MAX_SKEW))
