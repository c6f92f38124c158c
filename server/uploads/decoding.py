"""A stranger's file, decoded by a process that may do nothing else; see `decoder`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np

import server
from server.audio.frame import Samples
from server.errors import InvalidRequest, NotFound, Unavailable

BLOCK = 2 * 48_000
"""Samples that are read at once."""
HEAD = 64 * 1024
"""Bytes that what a file says of itself may take."""
SAID = 64 * 1024
"""Bytes of standard error that are read."""
STUCK_S = 120.0
"""Without a sample for so long, it is given up."""


class Decoding:
    """One file: what it says of itself (`about`), its audio, and then what came of it (`result`)."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.about: Mapping[str, Any] = {}
        self.result: Mapping[str, Any] = {}

    async def begin(self) -> None:
        """Raises InvalidRequest where the file is not taken."""
        line = await self._read(self._out.readline())
        if not line.endswith(b"\n"):
            await self._end()
            return
        self.about = json.loads(line)

    async def blocks(self) -> AsyncIterator[Samples]:
        """The audio, 48 kHz mono. Raises InvalidRequest where the rest cannot be had, Unavailable."""
        while True:
            try:
                data = await self._read(self._out.readexactly(4 * BLOCK))
            except asyncio.IncompleteReadError as error:
                data = error.partial
            whole = len(data) // 4 * 4
            if whole:
                yield np.frombuffer(data[:whole], np.float32)
            if len(data) < 4 * BLOCK:
                break
        await self._end()

    async def _end(self) -> None:
        assert self._process.stderr is not None
        said = await self._read(self._process.stderr.read(SAID))
        status = await self._read(self._process.wait())
        lines = [line for line in said.decode("utf-8", "replace").splitlines() if line.startswith("{")]
        if not lines:  # a limit of its own or of the system ended it
            raise InvalidRequest(
                "This file cannot be opened: reading it takes more time or memory than it may.", code="not-audio"
            )
        self.result = json.loads(lines[-1])
        if status != 0:
            raise InvalidRequest(str(self.result["message"]), code=str(self.result["code"]))

    @property
    def _out(self) -> asyncio.StreamReader:
        assert self._process.stdout is not None
        return self._process.stdout

    @staticmethod
    async def _read(reading: Any) -> Any:
        try:
            return await asyncio.wait_for(reading, STUCK_S)
        except TimeoutError:
            raise Unavailable("The file is not read any further.", code="decoder-stuck") from None


@asynccontextmanager
async def decoding(path: Path, longest_s: float, *, sample: bool = False) -> AsyncIterator[Decoding]:
    """Decode a file for the length of a block; with `sample` only parts of a long one.

    Raises InvalidRequest "not-audio", "no-sound", "too-long"; NotFound where the file is gone.
    """
    try:
        source = await asyncio.to_thread(os.open, path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        raise NotFound("The file is not kept any more.", code="file-gone") from None
    root = str(Path(server.__file__).parents[1])
    arguments = ["-m", "server.uploads.decoder", "--longest", str(longest_s), *(["--sample"] if sample else [])]
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, stdin=source, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            limit=8 * BLOCK, env={"PYTHONPATH": root, "PATH": os.environ.get("PATH", ""), "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
    except OSError as error:
        raise Unavailable(f"No process can be started: {error.strerror}.", code="decoder") from error
    finally:
        os.close(source)
    try:
        opened = Decoding(process)
        await opened.begin()
        yield opened
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
