"""One unbroken run of a sender's clock, played out on ours."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from server.audio.frame import Samples
from server.audio.gaps import GaplessReader
from server.audio.resample import VariableResampler
from server.audio.timeline import ArrivalEstimator
from server.clock import HOP, SAMPLE_RATE

MARGIN = 96
"""2 ms between the moment audio is needed and the moment it usually comes."""
MAX_RATIO = 1000e-6
"""The most that play-out usually runs fast or slow: a fiftieth of a semitone."""
MAX_HURRY = 1500e-6
"""The same while the delay is more than 20 ms away from where it belongs. At 4000e-6 speech that lost 30 ms in 8 s
scored a STOI of 0.74 against its original, for nothing that anybody waits for."""

_SMALLEST_RATIO = 2e-6
_FIRST_GROWTH = 1920
"""40 ms: what one slow moment may add to the delay; a second within 10 s may add up to the limit."""
_SAME_MOMENT = 24_000
_REMEMBERED = 480_000
_LATE_RUN = 3
_LATE_RUN_SPAN = 1920
_JUMP = 48_000
_EXCESS = 14_400
"""300 ms: audio that comes so much earlier than it is played has another clock, or the path has changed for good."""
_SLACK_LOW, _SLACK_HIGH = 24, 240
_CORRECTION_TIME = 96_000
_FAR = 960
_SETTLING = 96_000
"""2 s: the first packets of a connection often come slowly; until then the live edge is still being looked for."""


class Placed(Enum):
    """What became of a piece of audio."""

    STORED = "stored"
    LATE = "late"
    DUPLICATE = "duplicate"
    OVERFLOW = "overflow"
    FOREIGN = "foreign"
    """It belongs to another run of the sender's clock."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Audio as it came: mono samples at `rate` whose first has the sender's time `time`, in the same unit."""

    time: int
    samples: Samples
    rate: int
    arrival: int


class Segment:
    """Places audio by the sender's time, decides when it is played, and plays it at a slightly varied speed.

    All delays and times here are samples at 48 kHz; positions are samples of the sender's rate since `base`. `delay`
    is stream time minus sender's time of what is played.
    """

    def __init__(self, first: Piece, target_delay: int, max_delay: int, capacity: int) -> None:
        self.rate = first.rate
        self.base = first.time
        self.started = False
        self.arrivals = ArrivalEstimator()
        self.underruns = 0
        self._scale = SAMPLE_RATE / first.rate
        self._target = target_delay
        self._limit = max_delay
        self._excess = max(_EXCESS, max_delay + _EXCESS // 3)
        self._reader = GaplessReader(first.rate, capacity * first.rate // SAMPLE_RATE)
        self._resampler = VariableResampler(first.rate)
        self._correcting = 0
        self._settled_at = 0
        self._late_run = 0
        self._late_run_since = 0
        self._late_drops: list[int] = []
        self._moments: list[int] = []
        self._moment_end = 0.0
        self._moment_limit = 0.0

    # -- what comes in

    def place(self, piece: Piece, playing: int) -> Placed:
        """Store a piece; `playing` is the stream time of the next hop."""
        position = piece.time - self.base
        length = len(piece.samples) * self._scale
        end = position * self._scale + length
        if self._is_foreign(piece.arrival, end, playing):
            return Placed.FOREIGN
        while self._late_drops and piece.arrival - self._late_drops[0] > _REMEMBERED:
            del self._late_drops[0]
        placed = self._store(piece, position, end, playing)
        if placed is not Placed.DUPLICATE:  # a second copy says nothing about the path
            self.arrivals.add(piece.arrival, end, length)
        return placed

    def _store(self, piece: Piece, position: int, end: float, playing: int) -> Placed:
        late = self.started and position < self._reader.position
        if late and position >= self._reader.heard:
            self._underrun(piece.arrival, position, end, playing)
        stored, refused = self._reader.put(position, piece.samples, None if self.started else position)
        if late and not stored:
            return self._too_late(piece, position)
        self._late_run = 0
        if refused:
            return Placed.OVERFLOW
        return Placed.LATE if late else Placed.STORED if stored else Placed.DUPLICATE

    def _is_foreign(self, arrival: int, end: float, playing: int) -> bool:
        """Whether the sender's time has jumped: it cannot have been sent before it was recorded."""
        if self.arrivals.empty:
            return False
        offset = arrival - end
        if offset < self.arrivals.floor - self._excess:
            return True
        if not self.started:
            return offset > self.arrivals.floor + _JUMP
        if self.delay(playing) > self._bounds()[0] + self._excess:
            return True
        behind = self._reader.position * self._scale - end
        return behind > _JUMP and offset > self.arrivals.floor + _JUMP

    def _underrun(self, arrival: int, position: int, end: float, playing: int) -> None:
        """Audio came after its time and nothing else was played meanwhile: go back to it, as far as allowed."""
        self.underruns += 1
        delay = self.delay(playing)
        self._moments = [moment for moment in self._moments if arrival - moment < _REMEMBERED]
        longest = self.arrivals.floor + self._limit
        if not self._moments or arrival - self._moments[-1] > _SAME_MOMENT:
            self._moment_limit = longest if self._moments else min(longest, delay + _FIRST_GROWTH)
            self._moment_end = end
            self._moments.append(arrival)
        elif arrival - self._moments[-1] >= (end - self._moment_end) / 2 > 0:
            self._moment_limit = longest  # no burst after a stall: everything is this late now
        wanted = (self._reader.position - position) * self._scale
        allowed = max(0.0, min(wanted, self._moment_limit - delay))
        self._reader.rewind(self._reader.position - int(allowed / self._scale))

    def _too_late(self, piece: Piece, position: int) -> Placed:
        """All of a piece's time is over: it was missed, or it is a copy, or the sender's clock has gone back."""
        arrival = piece.arrival
        if not self._late_run:
            self._late_run_since = arrival
        self._late_run += 1
        if self._late_run >= _LATE_RUN and arrival - self._late_run_since >= _LATE_RUN_SPAN:
            return Placed.FOREIGN
        if not self._reader.missed(position, position + len(piece.samples)):
            return Placed.DUPLICATE
        if not self._late_drops or arrival - self._late_drops[-1] > _SAME_MOMENT:
            self._late_drops.append(arrival)
        return Placed.LATE

    # -- when it is played

    def delay(self, playing: int) -> float:
        """Stream time minus sender's time at stream time `playing`."""
        return playing - (self._reader.position - self._resampler.unread) * self._scale

    def _bounds(self) -> tuple[float, float]:
        """The delays between which nothing is done."""
        low = self.arrivals.floor + max(self._target, self.arrivals.longest) + MARGIN
        need = min(self.arrivals.need, self.arrivals.floor + self._limit) + MARGIN
        return (max(low, need) if len(self._late_drops) > 1 else low), max(low, need)

    def start(self, playing: int) -> int | None:
        """Begin with the hop at `playing` if its time has come: samples let go because they are older, else None."""
        if self._reader.empty:
            return None
        begin = round((playing - self._bounds()[0]) / self._scale)
        if begin + HOP / self._scale <= self._reader.first:
            return None
        self.started = True
        self._settled_at = playing + _SETTLING
        return self._reader.start(begin)

    @property
    def ahead(self) -> int:
        """Samples (of the publisher's rate) from the reading position to the end of what came."""
        return max(0, self._reader.end - self._reader.position)

    @property
    def exhausted(self) -> bool:
        """Whether everything that came has been read."""
        return self._reader.empty

    def starved(self, playing: int) -> bool:
        """Whether the hop at `playing` needs samples that lie beyond everything that came."""
        missing = self._resampler.missing(HOP, self._step(playing))
        return self._reader.end < self._reader.position + missing

    def _ratio(self, playing: int) -> float:
        """How much faster than the sender's clock says to play: follows the drift, and leads the delay home."""
        low, high = self._bounds()
        delay = self.delay(playing)
        if delay < low - _SLACK_LOW:
            self._correcting = -1
        elif delay > high + _SLACK_HIGH:
            self._correcting = 1
        elif (self._correcting < 0 and delay >= low) or (self._correcting > 0 and delay <= high):
            self._correcting = 0
        ratio = -self.arrivals.skew
        most = MAX_RATIO
        if self._correcting:
            error = delay - (low if self._correcting < 0 else high)
            ratio += error / _CORRECTION_TIME
            most = MAX_HURRY if abs(error) > _FAR else MAX_RATIO
        ratio = min(max(ratio, -most), most)
        return ratio if abs(ratio) >= _SMALLEST_RATIO else 0.0

    def _step(self, playing: int) -> float:
        return (1.0 + self._ratio(playing)) / self._scale

    def settle(self, playing: int) -> int:
        """While a run is young, come forward to the live edge where it was missed: samples let go."""
        if playing >= self._settled_at or self.underruns:
            return 0
        excess = self.delay(playing) - self._bounds()[0]
        if excess <= _FAR:
            return 0
        count = int(excess / self._scale)
        self._reader.cut(count)
        return count

    def hop(self, playing: int) -> tuple[Samples, bool]:
        """480 samples for the hop at `playing`, and whether any of them was made up."""
        step = self._step(playing)
        if self._correcting:
            self._correct_in_silence(playing)
        missing = self._resampler.missing(HOP, step)
        if missing:
            self._resampler.put(self._reader.read(missing))
        begin = self._reader.handed_out - self._resampler.unread
        samples = self._resampler.take(HOP, step)
        return samples, self._made_up(begin, self._reader.handed_out - self._resampler.unread)

    def _correct_in_silence(self, playing: int) -> None:
        """A whole hop more or less where nobody can hear it."""
        low, high = self._bounds()
        delay = self.delay(playing)
        count = round(HOP / self._scale)
        if delay > high + HOP and self._correcting > 0 and self._reader.quiet(count):
            self._reader.skip(count)
        elif delay < low - HOP and self._correcting < 0 and self._reader.quiet(count):
            self._resampler.put(self._reader.insert(count))

    def _made_up(self, begin: float, end: float) -> bool:
        spans = self._reader.made_up
        while spans and spans[0][1] <= begin:
            del spans[0]
        return bool(spans) and spans[0][0] < end


def as_mono(samples: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> Samples:
    """Float32 or int16 audio, shape (n,) or (n, channels), as a mono copy in [-1, 1]; what is not finite is 0."""
    block = np.asarray(samples)
    if block.ndim not in (1, 2):
        raise ValueError(f"audio has shape (n,) or (n, channels), not {block.shape}")
    if block.dtype == np.int16:
        scaled = block.astype(np.float32) / np.float32(32768.0)
    elif np.issubdtype(block.dtype, np.floating):
        scaled = block.astype(np.float32)
    else:
        raise ValueError(f"audio is float or int16, not {block.dtype}")
    mono: Samples = scaled if scaled.ndim == 1 else scaled.mean(axis=1, dtype=np.float32)
    if mono.size and not float(np.abs(mono).max()) <= 1.0:
        mono = np.clip(np.nan_to_num(mono, nan=0.0, posinf=0.0, neginf=0.0), -1.0, 1.0)
    return mono
