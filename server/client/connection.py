"""A client's WebRTC connection to a WHIP or WHEP server."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence

from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.exceptions import InternalError, InvalidAccessError, InvalidStateError, OperationError

from server.client.signalling import Session
from server.client.tokens import Token
from server.config import IceServer
from server.errors import Unavailable

CONNECT_TIMEOUT_S = 20.0
_OPUS = re.compile(r"a=rtpmap:(\d+) opus/48000/2\r\n")


class Connection:
    """Opens a session for a peer connection whose transceivers are already there, and ends it."""

    def __init__(self, peer: RTCPeerConnection) -> None:
        self.lost = asyncio.Event()
        """Set when the connection has failed or the other side has closed it."""
        self._peer = peer
        self._session: Session | None = None
        self._connected = asyncio.Event()
        peer.on("connectionstatechange", self._changed)

    @property
    def location(self) -> str:
        """Absolute address of the session."""
        return self._session.location if self._session else ""

    @property
    def stream_id(self) -> str | None:
        return self._session.stream_id if self._session else None

    @property
    def resume_token(self) -> str | None:
        return self._session.resume_token if self._session else None

    async def open(
        self,
        url: str,
        token: Token,
        query: Mapping[str, str],
        verify: bool = True,
        resume_token: str | None = None,
        *,
        stereo: bool = False,
    ) -> None:
        """Offer, wait for the answer and for the connection. `stereo`: the offer says that it takes and sends it.

        Raises the server's error, Unavailable when it cannot be reached or no media gets through.
        """
        peer = self._peer
        try:
            await peer.setLocalDescription(await peer.createOffer())
            self._session = await Session.open(
                url, _offer(peer.localDescription.sdp, stereo), token, query, verify, resume_token
            )
            try:
                await peer.setRemoteDescription(RTCSessionDescription(self._session.answer, "answer"))
            except (ValueError, AssertionError, KeyError, AttributeError, InternalError, OperationError) as error:
                raise Unavailable(f"{url} sent an answer that makes no sense.", code="unexpected-answer") from error
            except (InvalidAccessError, InvalidStateError) as error:
                raise Unavailable("The connection was closed.", code="connection-lost") from error
            await self._wait(url)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Delete the session and end the connection; safe to call twice."""
        session, self._session = self._session, None
        try:
            if session is not None:
                await session.close()
        finally:
            await self._peer.close()

    async def abandon(self) -> None:
        """End the connection without a word to the server; safe to call twice."""
        session, self._session = self._session, None
        try:
            if session is not None:
                await session.abandon()
        finally:
            await self._peer.close()

    async def _wait(self, url: str) -> None:
        waiting = [asyncio.ensure_future(event.wait()) for event in (self._connected, self.lost)]
        try:
            await asyncio.wait(waiting, timeout=CONNECT_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waiting:
                wait.cancel()
        if not self._connected.is_set() or self.lost.is_set():
            raise Unavailable(
                f"{url} answered, but no audio gets through: UDP between this machine and the server is blocked.",
                code="no-media-path",
            )

    def _changed(self) -> None:
        state = self._peer.connectionState
        if state == "connected":
            self._connected.set()
        elif state in ("failed", "closed"):
            self.lost.set()


def _offer(sdp: str, stereo: bool) -> str:
    """With what RFC 7587, section 7, lets an offer say of stereo; the library says nothing of Opus."""
    return _OPUS.sub(r"\g<0>a=fmtp:\1 stereo=1;sprop-stereo=1\r\n", sdp, count=1) if stereo else sdp


def query_of(**values: str | bool | None) -> dict[str, str]:
    """Query parameters; what is None is left to the server."""
    return {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in values.items()
        if value is not None
    }


IceServers = Sequence[IceServer]
