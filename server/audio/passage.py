"""A publisher's own packets as a gapless recording whose position is stream time.

Nothing is encoded: what never came is written as packets that ask the decoder to make it up, and silence after the
first 60 ms. Clocks that part are brought together by whole packets: one is left out, or comes twice, in a gap or where
it is as quiet as it has been for half a minute. Decoders take either in their stride; a packet of silence in its place
would take a decoder's memory of the spectrum with it, and the music would fade in again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from server.audio.opus import packet_duration
from server.audio.toc import STEP, concealing_packets, silence_packets
from server.clock import PACKET, SAMPLE_RATE

MIN_GAP = SAMPLE_RATE // 10
"""Shortest stretch of missing audio (0.1 s) that is told."""

CONCEALED = 2880
"""Samples (60 ms) of a gap that the decoder makes up; the rest is silence."""

TOLERANCE = 720
"""Samples (15 ms) that the recording may be away from stream time before a quiet place is looked for."""

FORCED = 2880
"""Samples (60 ms) from which on any place will do."""

MOST_AHEAD = SAMPLE_RATE
"""Samples that packets may lie ahead of their arrival; what is further ahead is refused."""

_SETTLING = 2 * SAMPLE_RATE
_SETTLED = 2880
_BETWEEN = 2 * SAMPLE_RATE
_QUIET_DBFS = -60.0
_REMEMBERED = 30
_KNOWN = 5

OnPacket = Callable[[int, bytes], None]


@dataclass(frozen=True, slots=True)
class Arrived:
    """One packet on its way to the recording. Times are samples at 48 kHz; `run` and `floor` are `SenderClock`'s."""

    time: int
    payload: bytes
    duration: int
    arrival: int
    run: int
    floor: int


class QuietPlaces:
    """Says where music is quiet enough for a packet more or less: by the levels of the last half a minute."""

    def __init__(self) -> None:
        self._seconds: deque[tuple[int, float]] = deque(maxlen=_REMEMBERED)

    def quiet(self, at: int, level: float) -> bool:
        """Whether a packet of `level` dBFS that comes at `at` is."""
        least = min((value for _, value in self._seconds), default=_QUIET_DBFS)
        known = len(self._seconds) >= _KNOWN
        second = at // SAMPLE_RATE
        if self._seconds and self._seconds[-1][0] >= second:
            level_before = self._seconds[-1][1]
            self._seconds[-1] = (self._seconds[-1][0], min(level, level_before))
        else:
            self._seconds.append((second, level))
        return level <= _QUIET_DBFS or (known and level <= least + 1.0)


class Passage:
    """Lays packets end to end from 0 on.

    `on_packet(start, packet)` gets every packet of the recording, gapless and in order; `on_gap(start, end)` is told
    of audio that never came.
    """

    def __init__(self, on_packet: OnPacket, on_gap: Callable[[int, int], None]) -> None:
        self.position = 0
        """End of what was laid."""
        self.late = 0
        """Packets that came when their time had been filled already."""
        self.overflowed = 0
        """Packets refused because they lay too far ahead."""
        self.left_out = 0
        self.repeated = 0
        self.made_up = 0
        """Samples that never came."""
        self._on_packet = on_packet
        self._on_gap = on_gap
        self._places = QuietPlaces()
        self._run = 0
        self._shift = 0
        """What a time of the sender's lies at, less that time."""
        self._lead = 0
        """What `_shift` should be, less the sender's floor: fixed two seconds into a run."""
        self._settled_at = 0
        self._correct_at = 0
        self._gap_start: int | None = None
        self._toc = silence_packets(PACKET, 2)[0][0]

    def lay(self, packet: Arrived, level: float) -> int | None:
        """Add a packet of `level` dBFS. Where it begins; None when it is not in the recording."""
        if packet.run != self._run:
            self._begin(packet)
        start = self._place(packet)
        if start is None:
            return None
        if start > self.position:
            start = self._corrected_gap(packet, start)
            self.fill(start)
        self._end_gap()
        self._shift = start - packet.time
        quiet = self._places.quiet(packet.arrival, level)
        return start if self._emit(packet, quiet) else None

    def fill(self, end: int) -> None:
        """What lies before `end`, a multiple of 120, has not come: make it up."""
        if end <= self.position:
            return
        if self._gap_start is None:
            self._gap_start = self.position
        self.made_up += end - self.position
        concealed = min(end, self._gap_start + CONCEALED)
        if concealed > self.position:
            self._put(concealing_packets(concealed - self.position, self._toc))
        if end - self.position > SAMPLE_RATE:  # the file is filled with silence where nothing is handed over
            self.position = end - PACKET
        self._put(silence_packets(end - self.position, 2 if self._toc & 4 else 1))

    def finish(self, end: int) -> None:
        """The recording ends at `end`, a multiple of 120, or after what has been laid."""
        self.fill(end)
        self._end_gap()

    # ---- private

    def _begin(self, packet: Arrived) -> None:
        """A run begins where its first packet came, or after what is there."""
        self._run = packet.run
        self._shift = max(self.position, -(-packet.arrival // STEP) * STEP) - packet.time
        self._settled_at = packet.arrival + _SETTLING

    def _place(self, packet: Arrived) -> int | None:
        """Where the packet belongs by its time; None where there is no room."""
        gap = packet.time + self._shift - self.position
        if 2 * gap < -packet.duration:
            self.late += 1
            return None
        start = self.position + max(0, gap) // STEP * STEP
        if start > packet.arrival + MOST_AHEAD:
            self.overflowed += 1
            self._run = 0  # wherever the sender's clock runs to, the timeline does not
            return None
        return start

    def _error(self, packet: Arrived) -> int:
        """Samples by which the packet should lie later than it would: positive where the sender's clock is slow."""
        now = self._shift - packet.floor
        if packet.arrival < self._settled_at:
            self._lead = min(max(now, -_SETTLED), _SETTLED)
        return self._lead - now

    def _corrected_gap(self, packet: Arrived, start: int) -> int:
        """In a gap the clocks are brought together at once."""
        self._shift = start - packet.time
        return max(self.position, start + self._error(packet) // STEP * STEP)

    def _emit(self, packet: Arrived, quiet: bool) -> bool:
        error = self._error(packet)
        wanted = abs(error) >= max(TOLERANCE, 3 * packet.duration // 4)
        forced = abs(error) >= max(FORCED, 3 * packet.duration // 2)
        if wanted and (quiet or forced) and packet.arrival >= self._correct_at:
            self._correct_at = packet.arrival + _BETWEEN
            if error < 0:
                self.left_out += 1
                self._shift -= packet.duration
                return False
            self.repeated += 1
            self._shift += packet.duration
            self._put([packet.payload])
        self._put([packet.payload])
        self._toc = packet.payload[0]
        return True

    def _put(self, packets: list[bytes]) -> None:
        for packet in packets:
            start, self.position = self.position, self.position + packet_duration(packet)
            self._on_packet(start, packet)

    def _end_gap(self) -> None:
        start, self._gap_start = self._gap_start, None
        if start is not None and self.position - start >= MIN_GAP:
            self._on_gap(start, self.position)
