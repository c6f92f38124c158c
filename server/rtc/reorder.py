"""RTP packets in order: numbers unwrapped, duplicates dropped, a packet overtaken on the way waited for a moment.

Pure: time is passed in. A missing packet is never waited for longer than `hold`; the play-out delay belongs to
`server.audio.buffer`.
"""

from __future__ import annotations

from dataclasses import dataclass

from server.queues import Policy, Queue

LIMIT = 8
HELD = Queue(
    "reorder",
    LIMIT,
    Policy.EARLY,
    holds="packets that came before one sent earlier, for 10 ms at most",
    drop="The publisher's network mixes packets up; the decoder conceals what is still missing.",
)

_WINDOW = 256
_RESTART = 3000
_MASK = (1 << _WINDOW) - 1


@dataclass(frozen=True, slots=True)
class RtpAudio:
    """One packet of audio.

    `sequence` and `rtp_time` are unwrapped (they grow past 16 and 32 bits); `arrival` is the server's clock in
    samples at 48 kHz when the packet came.
    """

    sequence: int
    rtp_time: int
    payload: bytes
    arrival: int


class ReorderBuffer:
    """Puts the packets of one RTP stream in order.

    `hold`: samples at 48 kHz that a packet waits for one before it; `limit`: most packets that wait; `keep_late`:
    whether a packet that comes after its turn is handed over all the same.
    """

    def __init__(self, hold: int = 480, limit: int = LIMIT, *, keep_late: bool = True) -> None:
        self.duplicates = 0
        self.late = 0
        self.missing = 0
        self.restarts = 0
        self._hold = hold
        self._limit = limit
        self._keep_late = keep_late
        self._ssrc: int | None = None
        self._highest = 0
        self._highest_time = 0
        self._next = 0
        self._seen = 0
        self._held: dict[int, RtpAudio] = {}
        HELD.watch(self)

    def __len__(self) -> int:
        return len(self._held)

    @property
    def waiting(self) -> bool:
        """Whether packets wait for one before them: call `due` within `hold`."""
        return bool(self._held)

    def push(self, ssrc: int, sequence: int, timestamp: int, payload: bytes, arrival: int) -> list[RtpAudio]:
        """Take a packet as it came (16-bit `sequence`, 32-bit `timestamp`); the packets whose turn it is now."""
        ready: list[RtpAudio] = []
        ahead = (sequence - self._highest + 0x8000 & 0xFFFF) - 0x8000
        if ssrc != self._ssrc or abs(ahead) > _RESTART:
            ready = self._release()
            self._restart(ssrc, sequence, timestamp)
            ahead = 0
            self._seen = 0
        number = self._highest + ahead
        if ahead > 0:
            self._seen = self._seen << ahead & _MASK
        elif -ahead >= _WINDOW or self._seen >> -ahead & 1:
            self.duplicates += 1
            return ready + self.due(arrival)
        self._seen |= 1 if ahead >= 0 else 1 << -ahead
        time = self._highest_time + ((timestamp - self._highest_time + (1 << 31) & 0xFFFFFFFF) - (1 << 31))
        if ahead >= 0:
            self._highest, self._highest_time = number, time
        packet = RtpAudio(number, time, payload, arrival)
        if number < self._next:
            self.late += 1
            if self._keep_late:
                ready.append(packet)
            return ready + self.due(arrival)
        self._held[number] = packet
        while self._next in self._held:
            ready.append(self._held.pop(self._next))
            self._next += 1
        if len(self._held) > self._limit:
            HELD.dropped += 1
            ready += self._release()
        return ready + self.due(arrival)

    def due(self, now: int) -> list[RtpAudio]:
        """The packets that have waited long enough at `now`."""
        if self._held and now - min(packet.arrival for packet in self._held.values()) >= self._hold:
            return self._release()
        return []

    def _release(self) -> list[RtpAudio]:
        packets = [self._held[number] for number in sorted(self._held)]
        self._held.clear()
        if packets:
            self.missing += packets[-1].sequence + 1 - self._next - len(packets)
            self._next = packets[-1].sequence + 1
        return packets

    def _restart(self, ssrc: int, sequence: int, timestamp: int) -> None:
        if self._ssrc is not None:
            self.restarts += 1
        self._ssrc = ssrc
        self._highest = self._next = sequence
        self._highest_time = timestamp
