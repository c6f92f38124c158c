"""What the media host needs of a WebRTC peer: the seam to `server.rtc`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from server.audio.frame import Samples
from server.clock import Clock
from server.config import Settings
from server.errors import Unavailable
from server.rtc.listen import Crowd as RtcCrowd
from server.rtc.listen import ListenerPeer as RtcListenerPeer
from server.rtc.publish import PublisherPeer, ReceivedPacket
from server.rtc.udp import UdpPort

__all__ = [
    "ListenerPeer",
    "OnAudio",
    "OnPacket",
    "OnState",
    "Peer",
    "PeerFactory",
    "ReceivedAudio",
    "ReceivedPacket",
    "RtcPeers",
]


class ReceivedAudio(Protocol):
    """Audio as a publisher's peer hands it over."""

    @property
    def rtp_time(self) -> int:
        """Unwrapped, in units of `rate`."""
        ...

    @property
    def samples(self) -> Samples:
        """(n,) or (n, channels) in [-1, 1]."""
        ...

    @property
    def rate(self) -> int: ...

    @property
    def arrival(self) -> int:
        """When it came: samples of the server's clock."""
        ...


class Peer(Protocol):
    """One end of a connection."""

    @property
    def answer(self) -> str:
        """The SDP answer to its offer."""
        ...

    async def trickle(self, fragment: str) -> None: ...

    async def close(self) -> None: ...


class ListenerPeer(Peer, Protocol):
    """Somebody who hears what is sent to the crowd it is in."""


class Crowd(Protocol):
    """The listeners of a channel whose connection stands; of the factory's own kind."""

    def add(self, peer: Any) -> None: ...

    def remove(self, peer: Any) -> None:
        """Nothing where it is not in the crowd."""

    def send(self, packet: bytes, timestamp: int) -> None:
        """Give an Opus packet to everybody; never blocks, and whoever fails harms nobody else."""
        ...


OnAudio = Callable[[ReceivedAudio], None]
OnPacket = Callable[[ReceivedPacket], None]
OnState = Callable[[str], None]
"""States of a peer: "connected" (once), "silent" (no audio for 3 s), "heard" (audio again), "lost" (for good;
it still has to be closed)."""


class PeerFactory(Protocol):
    """Answers offers, between `start` and `close`. Both raise InvalidOffer, Unavailable."""

    async def start(self) -> None:
        """Raises Unavailable where there is no way in or out."""

    def close(self) -> None:
        """All peers have been closed."""

    async def publisher(
        self, offer: str, on_audio: OnAudio, on_state: OnState, on_packet: OnPacket | None = None
    ) -> Peer:
        """With `on_packet` for music: each packet is handed over as it came, then what it sounds like."""
        ...

    async def listener(self, offer: str, on_state: OnState) -> ListenerPeer: ...

    def crowd(self, on_broken: Callable[[Any], None]) -> Crowd:
        """A crowd without anybody; `on_broken` is told of a listener that failed, which is out of it by then."""
        ...


class RtcPeers:
    """The real ones: WebRTC through `server.rtc`."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._port: UdpPort | None = None

    @property
    def port(self) -> UdpPort:
        """The UDP port that all peers share. Raises Unavailable before `start`."""
        if self._port is None:
            raise Unavailable("The server is not ready yet.", retry_after=1)
        return self._port

    async def start(self) -> None:
        settings = self._settings
        self._port = await UdpPort.open(
            settings.ice_udp_port,
            advertised=[(address.host, address.port) for address in settings.ice_advertised_address],
            max_pending=settings.max_pending_peers,
            # A page that only this machine can open may keep its connection when the network changes.
            tell_loopback=settings.host in ("127.0.0.1", "::1", "localhost"),
        )

    def close(self) -> None:
        if self._port is not None:
            self._port.close()

    async def publisher(
        self, offer: str, on_audio: OnAudio, on_state: OnState, on_packet: OnPacket | None = None
    ) -> Peer:
        return await PublisherPeer.create(offer, self.port, on_audio, on_state, self._clock, on_packet=on_packet)

    async def listener(self, offer: str, on_state: OnState) -> ListenerPeer:
        return await RtcListenerPeer.create(offer, self.port, on_state, self._clock)

    def crowd(self, on_broken: Callable[[Any], None]) -> Crowd:
        return RtcCrowd(self._clock, on_broken)
