"""A whole server on a free port, with a scripted denoiser and everything else real."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiortc import RTCPeerConnection

from tests.serving import http, server, start

__all__ = ["SDP", "http", "server", "start"]

SDP = {"Content-Type": "application/sdp"}


@pytest.fixture
async def offer() -> AsyncIterator[Callable[[str], Any]]:
    """`await offer("sendonly")` is a real offer with an audio section."""
    peers: list[RTCPeerConnection] = []

    async def make(direction: str = "sendonly", kind: str = "audio") -> str:
        peer = RTCPeerConnection()
        peers.append(peer)
        peer.addTransceiver(kind, direction=direction)
        await peer.setLocalDescription(await peer.createOffer())
        return peer.localDescription.sdp

    yield make
    for peer in peers:
        await peer.close()
