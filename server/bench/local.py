"""A Clearcast server of one's own, for measuring: a child process on a free port with a data folder that goes away."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

READY_LIMIT_S = 120.0
STOP_LIMIT_S = 30.0

_chance = random.SystemRandom()


@dataclass(frozen=True)
class LocalServer:
    """A running server."""

    url: str
    data_dir: Path
    process: asyncio.subprocess.Process
    log: Path
    """What it wrote to stderr."""

    async def get(self, path: str) -> Any:
        """The JSON at `path`, whatever its status."""
        async with aiohttp.ClientSession() as session, session.get(self.url + path) as response:
            return await response.json(content_type=None)

    async def wait_for_denoiser(self, limit: float = READY_LIMIT_S) -> str:
        """Wait until the denoiser answers; its engine. Raises TimeoutError."""
        async with asyncio.timeout(limit):
            while True:
                denoise = (await self.get("/api/v1/config"))["denoise"]
                if denoise["state"] == "ready":
                    return str(denoise["engine"])
                await asyncio.sleep(0.1)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that was free a moment ago.

    Not one of those that the kernel gives to whoever asks for any: it would be taken again before it is used.
    """
    while True:
        port = _chance.randrange(16_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


PROGRAM = ("-m", "server", "serve")
"""What Python is to run."""


@asynccontextmanager
async def local_server(
    data_dir: Path | None = None, program: tuple[str, ...] = PROGRAM, **settings: object
) -> AsyncIterator[LocalServer]:
    """Start a server with `settings` (field names of `server.config.Settings`), yield it when it answers, stop it.

    Never downloads models. Raises TimeoutError when it does not come up, with the end of its log.
    """
    folder = data_dir or Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="clearcast-"))
    port = int(str(settings.get("port") or free_port()))
    chosen = {
        "data_dir": folder,
        "port": port,
        "ice_udp_port": 0,
        "host": "127.0.0.1",
        "accounts": False,
        "rate_limits": "off",
        "max_connections_per_address": 0,
        "models_download": False,
    } | settings
    environment = os.environ | {f"CLEARCAST_{name.upper()}": str(value) for name, value in chosen.items()}
    log = folder.with_name(folder.name + ".log")
    errors = await asyncio.to_thread(log.open, "ab")
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *program, env=environment, stdout=errors, stderr=errors
        )
    finally:
        errors.close()
    server = LocalServer(f"http://127.0.0.1:{port}", folder, process, log)
    try:
        await _until_up(server)
        yield server
    finally:
        await _stop(process)
        if data_dir is None:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            log.unlink(missing_ok=True)


async def _until_up(server: LocalServer) -> None:
    try:
        async with asyncio.timeout(READY_LIMIT_S):
            while server.process.returncode is None:
                try:
                    await server.get("/health/live")
                    return
                except aiohttp.ClientError:
                    await asyncio.sleep(0.05)
    except TimeoutError:
        pass
    raise TimeoutError(f"the server did not come up: {server.log.read_text(errors='replace')[-2000:]}")


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), STOP_LIMIT_S)
    except TimeoutError:
        process.kill()
        await process.wait()
