"""Listeners: Opus packets in, WebRTC out, to all of a channel in one go."""

from __future__ import annotations

from collections.abc import Callable

from server.clock import Clock
from server.rtc.aiortc_contract import PacketSender
from server.rtc.peer import CONNECT_TIMEOUT_S, Begun, Peer, StateHandler, begin
from server.rtc.reports import ListenerStatistics, ReportLog
from server.rtc.sdp import Role
from server.rtc.sender_loop import SenderLoop, Sent
from server.rtc.udp import UdpPort

# One connection hears whatever is published while it stands, music in stereo too; mono costs no more for it.
PARAMETERS = {"minptime": 10, "stereo": 1, "sprop-stereo": 1, "useinbandfec": 0}


class ListenerPeer(Peer):
    """Somebody who hears a stream; may be there long before it starts."""

    def __init__(self, begun: Begun, on_state: StateHandler, clock: Clock) -> None:
        super().__init__(begun, on_state)
        sender = begun.transceiver.sender
        assert isinstance(sender, PacketSender)
        self.sender = sender
        self._reports = sender.reports = ReportLog(clock)
        self.crowd: Crowd | None = None
        """The one it is in; set by that."""

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
        """Packets that went out to it, in the crowd it is in."""
        return self._sent.packets

    @property
    def dropped(self) -> int:
        """Packets that it missed because its socket did not take them."""
        return self._sent.dropped

    @property
    def statistics(self) -> ListenerStatistics:
        """What this listener reports of the way to it."""
        return self._reports.statistics(self._sent.packets)

    # ---- private

    @property
    def _sent(self) -> Sent:
        return self.crowd.loop.sent(self.sender) if self.crowd is not None else Sent()

    def _on_closed(self) -> None:
        if self.crowd is not None:
            self.crowd.remove(self)


class Crowd:
    """The listeners of a channel: what is sent goes to each whose connection stands, from the live edge on.

    `on_broken` is told of a listener that could not be sent to; it is out of the crowd by then.
    """

    def __init__(self, clock: Clock, on_broken: Callable[[ListenerPeer], None]) -> None:
        self.loop = SenderLoop(clock, self._broken)
        self._on_broken = on_broken
        self._peers: dict[PacketSender, ListenerPeer] = {}

    def add(self, peer: ListenerPeer) -> None:
        """A listener more."""
        peer.crowd = self
        self._peers[peer.sender] = peer
        self.loop.add(peer.sender)

    def remove(self, peer: ListenerPeer) -> None:
        """A listener less."""
        if self._peers.pop(peer.sender, None) is not None:
            self.loop.remove(peer.sender)

    def send(self, payload: bytes, timestamp: int) -> None:
        """Give one Opus packet to everybody; `timestamp` is its time in samples of the server's clock."""
        self.loop.send(payload, timestamp)

    def _broken(self, sender: PacketSender) -> None:
        self._on_broken(self._peers.pop(sender))
