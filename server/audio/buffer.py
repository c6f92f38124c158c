"""Whatever a publisher sends, as a gapless 48 kHz timeline cut in hops.

The consumer's clock drives: `pull(now)` gives every hop that has ended by `now`, beginning with the one at 0, whether
audio came or not. The sender's RTP time is mapped onto that clock: the earliest arrivals show where it lies, their
slope how fast it drifts, and a resampler follows. Audio waits as long as its longest piece takes (at least
`target_delay`), more where it keeps coming late, and the wait shrinks again by playing 0.1 % faster (0.4 % while it is
more than 20 ms too long), or at once where nothing is to be heard.

The timeline never skips: after a stall the hops that are due come `MAX_HOPS` a call until it has caught up.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from server.audio.frame import AudioFrame, Samples
from server.audio.segment import Piece, Placed, Segment, as_mono
from server.clock import HOP

MAX_HOPS = 500
"""The most hops one pull gives: 5 s."""

_MIN_RATE, _MAX_RATE = 8_000, 192_000
_CATCHING_UP = 3


class FrameBuffer:
    """One publisher's audio, in at `push`, out at `pull`. Nothing blocks; memory is bounded by `capacity`.

    `target_delay`, `max_delay` and `capacity` are samples at 48 kHz. Of audio further ahead than `capacity` the newest
    is refused; all counters below only grow, until the object goes.
    """

    def __init__(self, target_delay: int = 960, max_delay: int = 9600, capacity: int = 240_000) -> None:
        self.position = 0
        """Stream time of the next hop."""
        self.received = 0
        """Pieces of audio that came."""
        self.concealed = 0
        """Hops of which at least one sample was made up."""
        self.late = 0
        """Pieces that came after (part of) their time: played a little later where nothing else was, else dropped."""
        self.duplicates = 0
        """Pieces of which nothing was new."""
        self.overflowed = 0
        """Pieces refused, whole or in part, because too much was waiting."""
        self.reanchored = 0
        """How often the sender's clock was taken up anew."""
        self.dropped_samples = 0
        """Samples of the sender's that were older than the live edge when a run of its clock began (its first 2 s)."""
        self._target = target_delay
        self._max_delay = max_delay
        self._capacity = capacity
        self._playing: Segment | None = None
        self._next: Segment | None = None
        self._anew = False
        self._patient = True

    @property
    def delay(self) -> int:
        """Samples between the usual arrival of a sample and its being played, 0 while nothing is played."""
        segment = self._playing
        if segment is None or not segment.started:
            return 0
        return round(segment.delay(self.position) - segment.arrivals.floor)

    @property
    def skew_ppm(self) -> float:
        """How much slower the sender's clock runs, in parts per million; 0 until it is known."""
        return self._playing.arrivals.skew * 1e6 if self._playing else 0.0

    @property
    def waiting(self) -> bool:
        """Whether audio that came has not been played yet."""
        return any(segment is not None and not segment.exhausted for segment in (self._playing, self._next))

    @property
    def ahead(self) -> int:
        """Samples (of the publisher's rate) that have come and wait for their time."""
        return sum(segment.ahead for segment in (self._playing, self._next) if segment is not None)

    def reanchor(self) -> None:
        """The publisher has connected anew: whatever comes next has nothing to do with the RTP time so far."""
        self._anew = True

    def push(self, rtp_time: int, samples: NDArray[np.float32] | NDArray[np.int16], rate: int, arrival: int) -> None:
        """Take audio of shape (n,) or (n, channels), float in [-1, 1] or int16, any order, any n.

        `rtp_time` is the sender's time of the first sample, unwrapped, in samples at `rate` (8000 to 192000 Hz);
        `arrival` is stream time. Raises ValueError for another shape, type or rate.
        """
        if not _MIN_RATE <= rate <= _MAX_RATE:
            raise ValueError(f"a sample rate lies between {_MIN_RATE} and {_MAX_RATE} Hz, not at {rate}")
        mono = as_mono(samples)
        if not mono.size:
            return
        self.received += 1
        piece = Piece(rtp_time, mono, rate, arrival)
        segment = self._next or self._playing
        if segment is None or self._anew or segment.rate != rate:
            placed = Placed.FOREIGN
        else:
            placed = segment.place(piece, self.position)
        if placed is Placed.FOREIGN:
            placed = self._begin(piece)
        self.late += placed is Placed.LATE
        self.duplicates += placed is Placed.DUPLICATE
        self.overflowed += placed is Placed.OVERFLOW

    def _begin(self, piece: Piece) -> Placed:
        """A new run of the sender's clock; what waits of the old one is played first."""
        segment = Segment(piece, self._target, self._max_delay, self._capacity)
        self._anew = False
        if self._playing is None:
            self._playing = segment
        else:
            self.reanchored += 1
            if self._playing.started:
                self._next = segment
            else:
                self._playing = segment
        return segment.place(piece, self.position)

    def pull(self, now: int) -> list[AudioFrame]:
        """All hops that have ended by stream time `now`, at most `MAX_HOPS`, each 480 samples and 480 after the last.

        When this call comes late, hops for which audio is missing are kept for one more call: after a stall the audio
        lies in the socket and is read right after.
        """
        due = (now - self.position) // HOP
        catching_up = due > _CATCHING_UP
        if not catching_up:
            self._patient = True
        hops: list[AudioFrame] = []
        for _ in range(min(due, MAX_HOPS)):
            if catching_up and self._patient and self._starved():
                self._patient = False
                break
            hops.append(self._hop())
        return hops

    def _starved(self) -> bool:
        segment = self._playing
        return segment is not None and segment.started and self._next is None and segment.starved(self.position)

    def _hop(self) -> AudioFrame:
        start = self.position
        samples, concealed = self._samples(start)
        self.position += HOP
        self.concealed += concealed
        np.minimum(samples, 1.0, out=samples)
        np.maximum(samples, -1.0, out=samples)
        return AudioFrame(start, samples, concealed)

    def _samples(self, start: int) -> tuple[Samples, bool]:
        segment = self._playing
        if segment is None or (not segment.started and not self._start(segment, start)):
            return np.zeros(HOP, np.float32), True
        self.dropped_samples += segment.settle(start)
        samples, concealed = segment.hop(start)
        following = self._next
        if following is not None and segment.exhausted and self._start(following, start):
            # The old run fades out under the first hop of the new one.
            more, _ = following.hop(start)
            self._playing, self._next = following, None
            return samples + more, True
        return samples, concealed

    def _start(self, segment: Segment, start: int) -> bool:
        dropped = segment.start(start)
        self.dropped_samples += dropped or 0
        return dropped is not None
