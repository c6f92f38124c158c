"""Nobody reads what the server logs: a pipe that is full, a terminal that somebody has stopped."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import aiohttp

from tests.chaos.scene import Ear, Speaker, whole_server

LINES = 600


async def test_a_log_that_nobody_reads_holds_nobody_up(tmp_path: Path) -> None:
    pipe = tmp_path / "data.log"  # where the server's log goes
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(reading, fcntl.F_SETPIPE_SZ, 4096)
    try:
        async with whole_server(tmp_path, log_level="debug") as server:
            ear = await Ear.start(server)
            speaker = await Speaker.start(server, record=False)
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as http:
                for _ in range(LINES):  # each is a line: many times what the pipe holds
                    async with http.get(f"{server.url}/health/live") as response:
                        assert response.status == 200
            await speaker.said(0.5)
            await speaker.stop()
            await ear.stop()
            ear.assert_whole()
            waiting = os.read(reading, 1 << 16)
            assert 0 < len(waiting) <= 1 << 13
            server.process.terminate()
            assert await server.process.wait() == 0  # and its end does not wait for a reader either
            pipe.unlink()
            pipe.write_bytes(waiting)
    finally:
        os.close(reading)
