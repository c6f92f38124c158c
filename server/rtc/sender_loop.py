"""Everybody who hears one channel: a packet goes to all of them in one go, in the caller's turn on the event loop.

Packets are counted once for the channel. A listener's own sequence number is that count plus an offset and its RTP
time the channel's time plus an origin, so one history of plain packets answers whoever asks for a lost one: it is
protected again exactly as it was or would have been. What a socket does not take is sent later from the same history,
at most `QUEUE` packets of it; then the oldest is dropped, and shows as a loss to those behind that socket alone.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pylibsrtp

from server import metrics
from server.clock import PACKET, SAMPLE_RATE, Clock
from server.log import get_logger
from server.queues import Policy, Queue
from server.rtc import srtp_contract
from server.rtc.aioice_contract import socket_of
from server.rtc.aiortc_contract import REPORT_EVERY, RESENT_PER_PACKET, PacketSender
from server.rtc.port_socket import PortSocket
from server.rtc.rtp_rows import MAX_PAYLOAD, RtpRows
from server.rtc.token_bucket import TokenBucket

QUEUE = 25
"""Packets (half a second) that wait for a socket that takes none."""
HISTORY = 256
"""Packets (5 s) that listeners may ask for again."""
RESENT_AT_ONCE = 128
"""Packets sent again to a listener that has not asked for long."""
MAX_UNSENT_BYTES = 16 * 1024
"""Bytes that a socket may hold back before packets wait here."""
LONGEST_STEP = SAMPLE_RATE // 2
"""A longer step of the stream's time is a pause or a jump."""

WAITING = Queue(
    "listener",
    QUEUE,
    Policy.OLDEST,
    holds="packets for the listeners behind a socket that takes none",
    drop="The network card is slower than what is sent: those listeners miss packets, and may ask for them.",
)

_HEADER = struct.Struct("!BBHLL")
_log = get_logger(__name__)


class Entry(NamedTuple):
    """A packet before it is anybody's."""

    payload: bytes
    time: int
    """RTP time of the channel, in samples, that never wraps."""
    marker: bool


@dataclass(slots=True)
class Sent:
    """What went out, and what did not."""

    packets: int = 0
    octets: int = 0
    dropped: int = 0

    def plus(self, other: Sent, since: Sent) -> Sent:
        """This and what `other` has grown by since it was `since`."""
        return Sent(
            self.packets + other.packets - since.packets,
            self.octets + other.octets - since.octets,
            self.dropped + other.dropped - since.dropped,
        )

    def copy(self) -> Sent:
        return Sent(self.packets, self.octets, self.dropped)


class History:
    """The latest packets of a channel, by number."""

    def __init__(self) -> None:
        self._entries: list[Entry | None] = [None] * HISTORY
        self.last = -1
        """Number of the latest."""

    def add(self, entry: Entry) -> None:
        self.last += 1
        self._entries[self.last % HISTORY] = entry

    def get(self, number: int) -> Entry | None:
        """None where it is not remembered, or not yet there."""
        return self._entries[number % HISTORY] if self.last - HISTORY < number <= self.last else None


class Timeline:
    """The RTP time of a channel: it grows with the streams' time, and over a pause or a jump by the clock's."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = 0
        self._time = -PACKET
        self._at = 0

    def follow(self, timestamp: int) -> tuple[int, bool]:
        """The RTP time of a packet of stream time `timestamp`, and whether it does not follow on the one before."""
        now, step = self._clock.samples(), timestamp - self._last
        jump = not 0 < step <= LONGEST_STEP
        if jump:
            step = max(PACKET, now - self._at) if self._time >= 0 else PACKET
        self._last, self._at = timestamp, now
        self._time += step
        return self._time, jump


class Seat:
    """One listener's place in the loop."""

    def __init__(self, sender: PacketSender) -> None:
        self.sender = sender
        self.session: pylibsrtp.Session | None = None
        """Kept for as long as the row uses its handle."""
        self.sequence, self.origin = sender.numbering
        self.offset = 0
        self.first = 0
        """Number of the first packet whose sequence number is it plus `offset`."""
        self.group: Group | None = None
        self.row = 0
        self._sent = Sent()
        self._since = Sent()
        self._resends = TokenBucket(RESENT_PER_PACKET, RESENT_AT_ONCE, 0)

    @property
    def sent(self) -> Sent:
        """Since it came."""
        return self._sent.plus(self.group.sent, self._since) if self.group is not None else self._sent

    def enter(self, group: Group, row: int, number: int) -> None:
        """Packets go out in this row from `number` on."""
        self.group, self.row, self.first = group, row, number
        self.session = self.sender.session
        self.offset = self.sequence - number
        self._since = group.sent.copy()

    def leave(self, next_number: int) -> None:
        """The row is somebody else's from now on; numbers go on where they are."""
        self._sent = self.sent
        self.sequence = next_number + self.offset & 0xFFFF
        self.group = self.session = None

    def resend(self, lost: Sequence[int], history: History) -> None:
        """Send the packets with these sequence numbers again, of those that were its own and are remembered."""
        group = self.group
        if group is None or self.session is None:
            return
        packets = self.sent.packets
        newest = group.next - 1
        for sequence in lost:
            number = newest - (newest + self.offset - sequence & 0xFFFF)
            entry = history.get(number) if number >= self.first else None
            if entry is None:
                continue
            if not self._resends.take(packets):
                metrics.RESENDS_REFUSED.inc()
                continue
            group.socket.send(self.session.protect(self._packet(sequence, entry)), group.rows.address(self.row))

    def report(self, time: int) -> None:
        """Tell the listener how the channel's time and its clock go together (RFC 3550 section 6.4.1)."""
        sent = self.sent
        self.sender.report(self.origin + time & 0xFFFFFFFF, sent.packets, sent.octets)

    def _packet(self, sequence: int, entry: Entry) -> bytes:
        ssrc, payload_type = self.sender.source
        time = self.origin + entry.time & 0xFFFFFFFF
        return _HEADER.pack(0x80, entry.marker << 7 | payload_type, sequence & 0xFFFF, time, ssrc) + entry.payload


class Group:
    """The listeners behind one socket."""

    def __init__(self, socket: PortSocket, history: History) -> None:
        self.socket = socket
        self.next = history.last
        """Number of the packet that goes out next."""
        self.rows = RtpRows()
        self.sent = Sent()
        """By whoever was here all the time."""
        self.seats: list[Seat] = []
        self._pairs: list[dict[int, object]] = []
        self._used: list[object] = []
        self._newest = 0
        self._history = history
        WAITING.measure(self, lambda group: group.waiting)

    @property
    def waiting(self) -> int:
        """Packets that the socket has not taken."""
        return self._history.last - self.next + 1

    def enter(self, seat: Seat, pair: object, address: tuple[str, int]) -> None:
        """A listener more; the group must have sent all there is."""
        seat.enter(self, len(self.seats), self.next)
        ssrc, payload_type = seat.sender.source
        handle = srtp_contract.handle(seat.sender.session)
        self.rows.add(handle, address, ssrc=ssrc, payload_type=payload_type, offset=seat.offset, origin=seat.origin)
        self.seats.append(seat)
        self._pairs.append(seat.sender.pairs)
        self._used.append(pair)
        self._newest += 1

    def leave(self, seat: Seat) -> None:
        """A listener less."""
        row = seat.row
        self.rows.remove(row)
        tables: tuple[list[Any], ...] = (self.seats, self._pairs, self._used)
        for table in tables:
            last = table.pop()
            if row < len(table):
                table[row] = last
        if row < len(self.seats):
            self.seats[row].row = row
        seat.leave(self.next)

    def moved(self) -> list[Seat]:
        """Listeners that use another way by now, or none."""
        ways = [pairs.get(1) for pairs in self._pairs]
        if ways == self._used:
            return []
        return [seat for seat, way, used in zip(self.seats, ways, self._used, strict=True) if way is not used]

    def send(self) -> list[Seat]:
        """Send what is due as far as the socket takes it. Returns whom it could not be protected for: they left."""
        failed: list[Seat] = []
        while self.waiting and self.socket.unsent <= MAX_UNSENT_BYTES:
            entry = self._history.get(self.next)
            if entry is not None:
                failed += self._send(entry)
            self.next += 1
        if self.waiting > QUEUE:
            self.next += 1
            self.sent.dropped += 1
            WAITING.dropped += len(self.seats)
        return failed

    def _send(self, entry: Entry) -> list[Seat]:
        number = self.next
        failed = [self.seats[row] for row in self.rows.write(entry.payload, number, entry.time, entry.marker)]
        for seat in failed:
            self.leave(seat)
        self.socket.send_rows(self.rows)
        seats = self.seats
        self.sent.packets += 1
        self.sent.octets += len(entry.payload)
        metrics.PACKETS_SENT.inc(len(seats))
        # A report a second for everybody, not for all in the same turn; the first at once.
        due = seats[number % REPORT_EVERY :: REPORT_EVERY] + seats[len(seats) - self._newest :]
        self._newest = 0
        for seat in due:
            seat.report(entry.time)
        return failed


class SenderLoop:
    """The listeners of one channel, whichever socket they are behind.

    `on_broken` is told, on the event loop, of a listener that could not be sent to; it is out of the loop by then.
    """

    def __init__(self, clock: Clock, on_broken: Callable[[PacketSender], None]) -> None:
        self._timeline = Timeline(clock)
        self._on_broken = on_broken
        self._history = History()
        self._groups: dict[PortSocket, Group] = {}
        self._seats: dict[PacketSender, Seat] = {}
        self._standing: dict[Seat, None] = {}

    def add(self, sender: PacketSender) -> None:
        """A listener more; it hears what is sent once its connection stands."""
        if sender not in self._seats:
            seat = self._seats[sender] = Seat(sender)
            self._standing[seat] = None
            sender.on_nack = lambda lost: seat.resend(lost, self._history)

    def remove(self, sender: PacketSender) -> None:
        """A listener less; nothing where it is not here."""
        seat = self._seats.pop(sender, None)
        if seat is not None:
            sender.on_nack = None
            self._stand_up(seat)
            del self._standing[seat]
            sender.go_on_from(seat.sequence)

    def sent(self, sender: PacketSender) -> Sent:
        """What went to a listener since it was added."""
        seat = self._seats.get(sender)
        return seat.sent if seat is not None else Sent()

    def send(self, payload: bytes, timestamp: int) -> None:
        """Give one Opus packet to everybody; `timestamp` is its time in samples of the stream.

        The time may jump or start again from 0 (another stream): the listeners' RTP time goes on. A payload longer
        than `MAX_PAYLOAD` bytes is left out.
        """
        if not 0 < len(payload) <= MAX_PAYLOAD:
            _log.warning("a packet is too long to be sent", bytes=len(payload))
            return
        time, jump = self._timeline.follow(timestamp)
        self._history.add(Entry(payload, time, jump))
        for group in list(self._groups.values()):
            for seat in group.moved():
                self._stand_up(seat)
        if self._standing:
            self._sit_down()
        for group in list(self._groups.values()):
            for seat in group.send():
                self._standing[seat] = None
                self.remove(seat.sender)
                self._on_broken(seat.sender)

    # ---- private

    def _sit_down(self) -> None:
        """Whose connection stands gets a row; behind a socket with a backlog not before that is gone."""
        for seat in list(self._standing):
            pair = seat.sender.pairs.get(1)
            if not seat.sender.ready or pair is None:
                continue
            socket, address = socket_of(pair)
            group = self._groups.get(socket)
            if group is None:
                group = self._groups[socket] = Group(socket, self._history)
            if group.waiting == 1:
                group.enter(seat, pair, address)
                del self._standing[seat]

    def _stand_up(self, seat: Seat) -> None:
        group = seat.group
        if group is None:
            return
        group.leave(seat)
        self._standing[seat] = None
        if not group.seats:
            del self._groups[group.socket]
