"""Fixtures of a whole server on a free port: for the conftest.py of a folder whose tests ask one over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from server.app import Server
from server.config import load_settings
from tests.fakes import ScriptedDenoise


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """`await start(field=value, …)` starts a server with those settings, with a scripted denoiser and everything else
    real; closed after the test."""
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
