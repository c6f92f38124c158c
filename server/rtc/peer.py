"""What publishers and listeners have in common: answering an offer, trickle, watching the connection, closing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiortc import RTCPeerConnection, RTCRtpTransceiver, RTCSessionDescription

from server.errors import InvalidRequest
from server.log import get_logger
from server.rtc.aiortc_contract import add_audio, open_shared, shape_codec
from server.rtc.sdp import MAX_CANDIDATES, Offer, Role, compose_answer, read_offer
from server.rtc.trickle import parse_fragment
from server.rtc.udp import UdpPort

CONNECT_TIMEOUT_S = 30.0
CLOSE_TIMEOUT_S = 5.0

StateHandler = Callable[[str], None]

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Begun:
    """An offer that was read, and a connection for it that has answered nothing yet."""

    offer: Offer
    connection: RTCPeerConnection
    transceiver: RTCRtpTransceiver
    give_back: Callable[[], None]
    """Ends its being counted among those that are connecting; does nothing the second time."""


class Peer:
    """The server's side of one WebRTC connection, made from an offer.

    `on_state` is called on the event loop with "connected" and, once at most, "lost" (the connection failed, was
    closed by the other side, or never came about); not after `close`. A lost peer still has to be closed.
    """

    def __init__(self, begun: Begun, on_state: StateHandler) -> None:
        self.answer = ""
        """The SDP answer, with all our candidates."""
        self.connected = False
        self._offer = begun.offer
        self._connection = begun.connection
        self._transceiver = begun.transceiver
        self._give_back = begun.give_back
        self._tell = on_state
        self._candidates = len(begun.offer.candidates)
        self._over = False
        self._closing: asyncio.Task[None] | None = None
        self._reaper: asyncio.TimerHandle | None = None

    async def trickle(self, fragment: str) -> None:
        """Take note of candidates of the peer that came after its offer (RFC 8840).

        They are checked and not used: the peer is known by its connectivity checks.

        Raises InvalidRequest when the fragment is malformed, belongs to another session, restarts ICE (code
        "restart-unsupported") or brings too many candidates.
        """
        parsed = parse_fragment(fragment)
        parsed.check(self._offer.ufrag, self._offer.password)
        if self._candidates + len(parsed.candidates) > MAX_CANDIDATES:
            raise InvalidRequest(f"More than {MAX_CANDIDATES} ICE candidates.", code="invalid-fragment")
        self._candidates += len(parsed.candidates)

    async def close(self) -> None:
        """End the connection and free everything; safe to call twice."""
        self._over = True
        if self._closing is None:
            self._closing = asyncio.create_task(self._close())
        await asyncio.shield(self._closing)

    # ---- for subclasses

    def _on_connected(self) -> None:
        """Called once media can flow."""

    def _on_closed(self) -> None:
        """Called once when closing begins."""

    async def _negotiate(self, parameters: dict[str, Any], nack: bool, connect_timeout: float) -> None:
        connection, offer = self._connection, self._offer
        connection.on("connectionstatechange", self._changed)
        await connection.setRemoteDescription(RTCSessionDescription(offer.sdp, "offer"))
        shape_codec(self._transceiver, offer.payload_type, parameters, nack)
        # Neither candidates nor their end are passed on: whoever comes is known by its checks, wherever from (.local
        # names, NAT), and the reaper ends the waiting.
        await connection.setLocalDescription()
        self.answer = compose_answer(offer, connection.localDescription.sdp)
        self._reaper = asyncio.get_running_loop().call_later(connect_timeout, self._lost, "never connected")

    def _lost(self, reason: str) -> None:
        if not self._over:
            self._over = True
            _log.info("peer lost", role=self._offer.role.value, reason=reason)
            self._tell("lost")

    # ---- private

    def _changed(self) -> None:
        state = self._connection.connectionState
        if state == "connected" and not self.connected and not self._over:
            self.connected = True
            self._give_back()
            if self._reaper is not None:
                self._reaper.cancel()
            self._on_connected()
            self._tell("connected")
        elif state in ("failed", "closed"):
            self._lost(state)

    async def _close(self) -> None:
        self._on_closed()
        if self._reaper is not None:
            self._reaper.cancel()
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._connection.close()
        except TimeoutError:
            _log.warning("peer did not close in time", role=self._offer.role.value)
        finally:
            self._give_back()


def begin(offer: str, role: Role, direction: str, port: UdpPort) -> Begun:
    """Check an offer and open a connection for it on the shared port.

    Raises InvalidOffer, TooLarge, Unavailable when too many peers are connecting.
    """
    read = read_offer(offer, role)
    give_back = port.admit()
    try:
        connection = open_shared()
        return Begun(read, connection, add_audio(connection, direction, port), give_back)
    except BaseException:
        give_back()
        raise
