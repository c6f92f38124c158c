"""A whole server on a free port, with a scripted denoiser and everything else real."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiortc import RTCPeerConnection

from server.app import Server
from server.config import load_settings
from tests.fakes import ScriptedDenoise

SDP = {"Content-Type": "application/sdp"}


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """`await start(field=value, …)` starts a server with those settings; closed after the test."""
    servers: list[Server] = []

    async def make(**values: Any) -> Server:
        values = {"data_dir": tmp_path / "data", "port": 0, "disk_reserve_mb": 0, "accounts": False, **values}
        server = Server(load_settings(**values), denoise=ScriptedDenoise())
        await server.start()
        servers.append(server)
        return server

    yield make
    for server in servers:
        await server.close()


@pytest.fixture
async def server(start: Callable[..., Any]) -> Server:
    running: Server = await start()
    return running


@pytest.fixture
async def http(server: Server) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session:
        yield session


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
