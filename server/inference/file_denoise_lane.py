"""A file's way through the denoiser of this machine, from any process of the same account."""

from __future__ import annotations

import asyncio
from pathlib import Path

from server.audio.frame import Samples
from server.errors import Unavailable
from server.inference.captioning.local_socket import connected
from server.inference.captioning.wire import BadFrame, Frame, FrameReader, encode

READ = 1 << 20
HELLO_S = 120.0
"""How long a model may take to load, on a machine that does something else."""
ANSWER_S = 600.0
"""How long one batch may take there."""


async def open_file_denoiser(path: Path) -> FileDenoiseLane:
    """Raises Unavailable where nobody denoises files there."""
    try:
        ours = await asyncio.to_thread(connected, path)
        reader, writer = await asyncio.open_unix_connection(sock=ours)
    except OSError as error:
        raise Unavailable("No process takes the noise out of files just now.", code="denoise-away") from error
    lane = FileDenoiseLane(reader, writer)
    try:
        hello = (await lane.frames(1, HELLO_S))[0]
        lane.engine, lane.delay = str(hello.values["engine"]), int(hello.values["delay"])
    except (KeyError, TypeError, ValueError):
        await lane.close()
        raise Unavailable("The process that denoises files is of another version.", code="denoise-away") from None
    except Unavailable:
        await lane.close()
        raise
    return lane


class FileDenoiseLane:
    """See `uploads.making.FileDenoiser`."""

    engine = ""
    delay = 0

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._frames = FrameReader()
        self._waiting: list[Frame] = []

    async def clean(self, rows: list[Samples], lead: int, first: bool) -> list[Samples]:
        """The rows without their noise, their lead and what was looked ahead at. Raises Unavailable."""
        try:
            for row in rows:
                self._writer.write(encode("row", {}, [row]))
                await self._writer.drain()
            self._writer.write(encode("clean", {"lead": lead, "first": first}))
            await self._writer.drain()
        except OSError as error:
            raise _lost() from error
        answers = await self.frames(len(rows), ANSWER_S)
        return [frame.arrays[0] for frame in answers]

    async def frames(self, count: int, patience_s: float) -> list[Frame]:
        """The next frames. Raises Unavailable."""
        try:
            async with asyncio.timeout(patience_s):
                while len(self._waiting) < count:
                    data = await self._reader.read(READ)
                    if not data:
                        raise _lost()
                    self._waiting += self._frames.feed(data)
        except (OSError, BadFrame, TimeoutError) as error:
            raise _lost() from error
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        return taken

    async def close(self) -> None:
        self._writer.close()


def _lost() -> Unavailable:
    return Unavailable("The process that takes the noise out of files has stopped.", code="denoise-lost")
