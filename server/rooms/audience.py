"""Who listens to the channels of this machine: listeners come, and go."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from server.errors import NotFound, Unavailable
from server.rooms.background import Background
from server.rooms.fanout import Channel
from server.rooms.limits import too_many_listeners
from server.rooms.messages import ListenerTold, ListenGrant
from server.rooms.peers import ListenerPeer, Peer, PeerFactory


class Audience:
    """The listeners of every channel, before, during and between streams.

    `on_air(channel_id)` says whether a channel has a stream: one with neither stream nor listener is forgotten.
    `on_listener` is told who comes and who goes, and must not wait.
    """

    def __init__(
        self,
        peers: PeerFactory,
        max_listeners: int,
        background: Background,
        on_air: Callable[[str], bool],
        on_listener: Callable[[ListenerTold], None] = lambda told: None,
    ) -> None:
        self._peers = peers
        self._max_listeners = max_listeners
        self._background = background
        self._on_air = on_air
        self._on_listener = on_listener
        self._channels: dict[str, Channel] = {}
        self._listeners: dict[str, tuple[Channel, ListenerPeer, str]] = {}
        """With the principal of each."""
        self._closed = False

    def __contains__(self, peer_id: str) -> bool:
        return peer_id in self._listeners

    def channel(self, channel_id: str) -> Channel:
        """The channel of that id, made where nobody listened to it or spoke on it yet."""
        return self._channels.setdefault(channel_id, Channel(channel_id, self._peers, self.drop))

    def peer(self, peer_id: str) -> Peer:
        """Raises NotFound."""
        if peer_id not in self._listeners:
            raise NotFound("There is no such session; it may have ended.")
        return self._listeners[peer_id][1]

    async def admit(self, offer: str, grant: ListenGrant) -> tuple[str, ListenerPeer]:
        """Answer a listener's offer; returns its id and the peer.

        Raises Unavailable when the channel has as many listeners as it may, InvalidOffer.
        """
        channel = self.channel(grant.channel_id)
        if len(channel) >= self._max_listeners:
            raise too_many_listeners()
        peer_id = secrets.token_urlsafe(16)
        connected = lost = False

        def on_state(state: str) -> None:
            nonlocal connected, lost
            if state == "connected":
                connected = True
                channel.connect(peer_id)
            elif state == "lost":
                lost = True
                self.drop(peer_id)

        channel.pending += 1
        try:
            peer = await self._peers.listener(offer, on_state)
        except BaseException:
            channel.pending -= 1
            self.forget_empty(channel)
            raise
        channel.pending -= 1
        if lost or self._closed:
            self._background.spawn(peer.close())
            self.forget_empty(channel)
            raise Unavailable("The connection was lost before it stood.", retry_after=1)
        channel.add(peer_id, peer)
        if connected:  # before anybody could know of it
            channel.connect(peer_id)
        self._listeners[peer_id] = (channel, peer, grant.principal)
        self._on_listener(ListenerTold(channel.id, peer_id, grant.principal, here=True))
        return peer_id, peer

    def drop(self, peer_id: str) -> None:
        """A listener goes; nothing where it has gone already."""
        entry = self._listeners.pop(peer_id, None)
        if entry is not None:
            channel, peer, principal = entry
            channel.remove(peer_id)
            self._on_listener(ListenerTold(channel.id, peer_id, principal, here=False))
            self._background.spawn(peer.close())
            self.forget_empty(channel)

    def close(self) -> None:
        """Everybody goes, and nobody comes any more."""
        self._closed = True
        for peer_id in list(self._listeners):
            self.drop(peer_id)

    def forget_empty(self, channel: Channel) -> None:
        """Let go of a channel that nobody uses."""
        if not len(channel) and not self._on_air(channel.id):
            self._channels.pop(channel.id, None)
