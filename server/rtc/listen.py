"""A listener: Opus packets in, WebRTC out, from the caller's own turn on the event loop."""

from __future__ import annotations

from collections import deque

from server.clock import PACKET, SAMPLE_RATE, Clock
from server.metrics import PACKETS_SENT
from server.queues import Policy, Queue
from server.rtc.aiortc_contract import PacketSender
from server.rtc.peer import CONNECT_TIMEOUT_S, Begun, Peer, StateHandler, begin
from server.rtc.reports import ListenerStatistics, ReportLog
from server.rtc.sdp import Role
from server.rtc.udp import UdpPort

QUEUE = 25
"""Packets (half a second) that wait for a listener whose connection does not take them; the oldest is dropped."""
COUNTED_AT_ONCE = 50

WAITING = Queue(
    "listener",
    QUEUE,
    Policy.OLDEST,
    holds="packets for a listener whose connection takes none",
    drop="That listener's network, or its relay over TCP, is too slow; the others lose nothing.",
)

# One connection hears whatever is published while it stands, music in stereo too; mono costs no more for it.
PARAMETERS = {"minptime": 10, "stereo": 1, "sprop-stereo": 1, "useinbandfec": 0}


class ListenerPeer(Peer):
    """Somebody who hears a stream; may be there long before it starts."""

    def __init__(self, begun: Begun, on_state: StateHandler, clock: Clock) -> None:
        super().__init__(begun, on_state)
        sender = begun.transceiver.sender
        assert isinstance(sender, PacketSender)
        self.dropped = 0
        """Packets that this listener missed because its connection did not take them."""
        self._sender = sender
        self._reports = sender.reports = ReportLog(clock)
        self._clock = clock
        self._queue: deque[tuple[bytes, int, bool]] = WAITING.watch(deque())
        self._last = 0  # stream time of the last packet
        self._time = -PACKET  # RTP time of the last packet
        self._sent_at = 0
        self._uncounted = 0

    @classmethod
    async def create(
        cls,
        offer: str,
        port: UdpPort,
        on_state: StateHandler,
        clock: Clock,
        *,
        connect_timeout: float = CONNECT_TIMEOUT_S,
    ) -> ListenerPeer:
        """Answer a listener's offer; `on_state` is called on the event loop.

        Raises InvalidOffer, TooLarge, Unavailable when too many peers are connecting.
        """
        peer = cls(begin(offer, Role.LISTEN, "sendonly", port), on_state, clock)
        try:
            await peer._negotiate(PARAMETERS, nack=True, connect_timeout=connect_timeout)
        except BaseException:
            await peer.close()
            raise
        return peer

    @property
    def sent(self) -> int:
        """Packets that went out."""
        return self._sender.packets

    @property
    def statistics(self) -> ListenerStatistics:
        """What this listener reports of the way to it."""
        return self._reports.statistics(self._sender.packets)

    def send(self, payload: bytes, timestamp: int) -> None:
        """Pass on one Opus packet; `timestamp` is its time in samples of the stream.

        Before the connection stands it is forgotten: a listener starts at the live edge. The time may jump or start
        again from 0 (another stream): the listener's RTP time goes on.
        """
        sender = self._sender
        if not sender.ready:
            return
        step = timestamp - self._last
        if 0 < step <= SAMPLE_RATE // 2:
            self._last, self._time = timestamp, self._time + step
            marker = False
        else:
            self._anchor(timestamp)
            marker = True
        self._sent_at = self._clock.samples()
        if self._queue or sender.congested:
            self._wait(payload, self._time, marker)
        elif sender.transmit(payload, self._time, marker):
            self._count()

    # ---- private

    def _on_closed(self) -> None:
        self._queue.clear()
        PACKETS_SENT.inc(self._uncounted)
        self._uncounted = 0

    def _count(self) -> None:
        # The metric has a lock: once a second for each listener is enough.
        self._uncounted += 1
        if self._uncounted >= COUNTED_AT_ONCE:
            PACKETS_SENT.inc(self._uncounted)
            self._uncounted = 0

    def _anchor(self, timestamp: int) -> None:
        """After a pause or a jump the RTP time grows by the time that has passed."""
        passed = self._clock.samples() - self._sent_at if self._time >= 0 else PACKET
        self._last, self._time = timestamp, self._time + max(PACKET, passed)

    def _wait(self, payload: bytes, time: int, marker: bool) -> None:
        queue = self._queue
        queue.append((payload, time, marker))
        if len(queue) > QUEUE:
            queue.popleft()
            self.dropped += 1
            WAITING.dropped += 1
        while queue and not self._sender.congested:
            if self._sender.transmit(*queue.popleft()):
                self._count()
