"""Where processes of this account have files denoised: a socket, and behind it a process while it is needed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import server
from server.inference.captioning.local_socket import bound
from server.log import get_logger

SOCKET = "denoise.sock"
"""In the data folder."""
WAITING = 16
AGAIN_S = 1.0
"""Before a process that ended is followed by another one."""

log = get_logger(__name__)


class FileDenoiseService:
    """For one event loop. `config` says with which engine, at the moment in which a process is started."""

    def __init__(self, path: Path, config: Callable[[], Mapping[str, Any]]) -> None:
        self._path = path
        self._config = config
        self._listener: socket.socket | None = None
        self._running: asyncio.Task[None] | None = None
        self.pid: int | None = None

    async def start(self) -> None:
        try:
            self._listener = await asyncio.to_thread(bound, self._path)
            self._listener.listen(WAITING)
        except OSError as error:
            log.error("files cannot be denoised", socket=str(self._path), error=error.strerror)
            return
        self._wait()

    async def close(self) -> None:
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener.fileno())
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        if self._listener is not None:
            self._listener.close()
            with contextlib.suppress(OSError):
                await asyncio.to_thread(self._path.unlink)

    def _wait(self) -> None:
        """Until somebody connects."""
        assert self._listener is not None
        asyncio.get_running_loop().add_reader(self._listener.fileno(), self._asked)

    def _asked(self) -> None:
        assert self._listener is not None
        asyncio.get_running_loop().remove_reader(self._listener.fileno())
        self._running = asyncio.create_task(self._run(self._listener), name="file denoiser")

    async def _run(self, listener: socket.socket) -> None:
        status = await self._process(listener.fileno())
        if status != 0:
            log.warning("the process that denoises files ended", status=status)
            await asyncio.to_thread(_refuse, listener)  # whoever waits comes again
            await asyncio.sleep(AGAIN_S)
        self._wait()

    async def _process(self, descriptor: int) -> int:
        root = str(Path(server.__file__).parents[1])
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "server.inference.file_denoising", "--listener", str(descriptor)),
                *("--parent", str(os.getpid()), "--config", json.dumps(dict(self._config()))),
                pass_fds=[descriptor],
                env={**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"},
            )
        except OSError as error:
            log.error("the process that denoises files cannot be started", error=error.strerror)
            return 1
        self.pid = process.pid
        try:
            return await process.wait()
        finally:
            self.pid = None
            await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _refuse(listener: socket.socket) -> None:
    """Send away whoever waits."""
    with contextlib.suppress(BlockingIOError):
        while True:
            listener.accept()[0].close()
