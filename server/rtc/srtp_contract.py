"""What a connected peer sends is bounded before it is decrypted, and what SRTP refuses is counted.

Leans on private names of aiortc's DTLS transport, as `server.rtc.aiortc_contract` does: the only other place. And on
those of pylibsrtp, to protect packets where they lie (`handle`, `pointers`, `protect`): its own way copies each twice.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pylibsrtp
from aiortc.rtcdtlstransport import RTCDtlsTransport
from numpy.typing import NDArray
from pylibsrtp._binding import ffi, lib  # type: ignore[import-not-found]

from server.metrics import SRTP_REFUSED
from server.rtc.token_bucket import TokenBucket

MAX_SOURCES = 32
"""Sources (SSRCs) of one peer. Each is remembered by SRTP and by aiortc for as long as the connection lasts."""

MEDIA_PER_S, MEDIA_BURST = 1000, 4000
"""Packets: more than twice what 2.5 ms of Opus each make, and ten seconds of those at once after a stall."""

CONTROL_PER_S, CONTROL_BURST = 100, 200
"""RTCP: one that asks for thousands of packets again takes a millisecond to read."""

_REASONS = {
    "authentication failure": "forged",
    "replay check failed (bad index)": "replayed",
    "replay check failed (index too old)": "replayed",
    "packet index is too old to consider": "replayed",
}


class BoundedSession:
    """Stands in for the SRTP session of what comes in. What it refuses ends nothing but the packet."""

    def __init__(self, session: pylibsrtp.Session) -> None:
        self._session = session
        self._sources: set[bytes] = set()
        now = time.monotonic()
        self._media = TokenBucket(MEDIA_PER_S, MEDIA_BURST, now)
        self._control = TokenBucket(CONTROL_PER_S, CONTROL_BURST, now)

    def unprotect(self, packet: bytes) -> bytes:
        """An RTP packet in the clear. Raises pylibsrtp.Error."""
        return self._open(packet, packet[8:12], self._media, self._session.unprotect)

    def unprotect_rtcp(self, packet: bytes) -> bytes:
        """An RTCP packet in the clear. Raises pylibsrtp.Error."""
        return self._open(packet, packet[4:8], self._control, self._session.unprotect_rtcp)

    def _open(self, packet: bytes, source: bytes, allowance: TokenBucket, opening: Callable[[bytes], bytes]) -> bytes:
        if not allowance.take(time.monotonic()):
            raise _refused("too many")
        known = source in self._sources
        if not known and len(self._sources) >= MAX_SOURCES:
            raise _refused("too many sources")
        try:
            plain = opening(packet)
        except pylibsrtp.Error as error:
            SRTP_REFUSED.labels(_REASONS.get(str(error), "malformed")).inc()
            raise
        if not known:  # only now: whoever forges a packet cannot fill the table
            self._sources.add(source)
        return plain


def _refused(reason: str) -> pylibsrtp.Error:
    SRTP_REFUSED.labels(reason).inc()
    return pylibsrtp.Error(reason)


def guard(transport: Any) -> None:
    """Bound what can come through a peer's DTLS transport."""
    set_up = transport._setup_srtp

    def setup_srtp() -> None:
        set_up()
        if transport._rx_srtp is not None:
            transport._rx_srtp = BoundedSession(transport._rx_srtp)

    transport._setup_srtp = setup_srtp
    transport._handle_rtp_data = _surviving(transport._handle_rtp_data)
    transport._handle_rtcp_data = _surviving(transport._handle_rtcp_data)


def _surviving(handle: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """aiortc's parsers also raise what aiortc does not catch, and then the whole connection ends."""

    async def handle_data(data: bytes, *rest: Any, **named: Any) -> None:
        try:
            await handle(data, *rest, **named)
        except (ValueError, IndexError, struct.error):
            SRTP_REFUSED.labels("malformed").inc()

    return handle_data


protect = lib.srtp_protect
"""`protect(handle, packet, size)`: encrypt an RTP packet in place and update its size; 0 where that worked."""


def handle(session: pylibsrtp.Session) -> Any:
    """What `protect` takes for a session, valid while the session is there."""
    return session._srtp[0]


def pointers(packets: NDArray[np.uint8], sizes: NDArray[np.int32]) -> tuple[list[Any], list[Any]]:
    """For each row of `packets`, shape (rows, bytes), where it and its size lie; valid while the arrays are there."""
    first, first_size = ffi.from_buffer("char[]", packets), ffi.from_buffer("int[]", sizes)
    rows = range(len(packets))
    return [first + row * packets.strides[0] for row in rows], [first_size + row for row in rows]


def missing_names() -> list[str]:
    """Private names used above that the installed version does not have; empty when all is well."""
    names = ("_setup_srtp", "_handle_rtp_data", "_handle_rtcp_data")
    missing = [f"aiortc.RTCDtlsTransport.{name}" for name in names if not hasattr(RTCDtlsTransport, name)]
    texts = [f"pylibsrtp: {text!r}" for text in _REASONS if text not in pylibsrtp.ERRORS]
    if not hasattr(pylibsrtp.Session(), "_srtp"):
        texts.append("pylibsrtp.Session._srtp")
    return missing + texts
