"""A channel's listeners: each packet goes to every one of them, and none can hold up another."""

from __future__ import annotations

from collections.abc import Callable

from server import metrics
from server.log import get_logger
from server.rooms.peers import ListenerPeer, PeerFactory

log = get_logger(__name__)


class Channel:
    """Who listens at one address, across the streams that are sent there.

    Listeners may come before the publisher and stay when a stream ends: packets are stamped with the server's clock,
    which goes on between streams. Who joins starts at the live edge.
    """

    def __init__(self, channel_id: str, peers: PeerFactory, on_broken: Callable[[str], None]) -> None:
        self.id = channel_id
        self._on_broken = on_broken
        self._crowd = peers.crowd(self._broken)
        self._peers: dict[str, ListenerPeer] = {}
        self._connected: set[str] = set()
        self.pending = 0
        """Listeners whose offer is being answered: they count towards the limit."""

    def __len__(self) -> int:
        return len(self._peers) + self.pending

    @property
    def listeners(self) -> int:
        """Listeners whose connection stands."""
        return len(self._connected)

    def add(self, peer_id: str, peer: ListenerPeer) -> None:
        self._peers[peer_id] = peer

    def connect(self, peer_id: str) -> bool:
        """The peer's connection stands from now on. False if it did before or the peer is gone."""
        if peer_id not in self._peers or peer_id in self._connected:
            return False
        self._connected.add(peer_id)
        self._crowd.add(self._peers[peer_id])
        metrics.LISTENERS.inc()
        return True

    def remove(self, peer_id: str) -> ListenerPeer | None:
        """Forget a listener; the caller closes what is returned."""
        if peer_id in self._connected:
            self._connected.discard(peer_id)
            metrics.LISTENERS.dec()
            self._crowd.remove(self._peers[peer_id])
        return self._peers.pop(peer_id, None)

    def peers(self) -> list[str]:
        return list(self._peers)

    def send(self, packet: bytes, timestamp: int) -> None:
        """Give one packet to every connected listener.

        `timestamp` is the time of the packet's first sample: samples at 48 kHz of the server's clock.
        """
        self._crowd.send(packet, timestamp)

    # ---- private

    def _broken(self, peer: ListenerPeer) -> None:
        for peer_id in [found for found, other in self._peers.items() if other is peer]:
            log.error("a listener failed", peer=peer_id)
            self._on_broken(peer_id)
