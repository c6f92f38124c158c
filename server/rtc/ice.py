"""STUN and TURN servers: from the settings to the WebRTC library."""

from __future__ import annotations

from collections.abc import Sequence

from aiortc import RTCConfiguration, RTCIceServer

from server.config import IceServer


def configuration(servers: Sequence[IceServer]) -> RTCConfiguration:
    """How our own side gathers candidates; with no servers it never asks anybody."""
    return RTCConfiguration(
        iceServers=[
            RTCIceServer(urls=server.urls, username=server.username, credential=server.credential) for server in servers
        ]
    )
