"""Runs of a media host, one after another, on the same folder."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from server.rooms.messages import StreamInfo
from tests.fakes import ManualClock
from tests.rooms.sound import tone, until
from tests.rooms.studio import Source, Studio

TORN = b"OggS\0\0half a page"


class Runs:
    """One run of a media host after another on the same folder, each with a clock of its own."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self._folder = folder
        self._settings = {"reconnect_s": 5, "record_raw": True, **settings}
        self._all: list[Studio] = []
        self.now = Studio(folder, **self._settings)
        self._all.append(self.now)

    async def run(self, seconds: float, source: Source | None = tone) -> None:
        """Let time pass, no faster than the disk takes what is recorded."""
        for _ in range(round(seconds * 10)):
            await self.now.run(0.1, source)
            await written(self.now)

    async def stop(self) -> None:
        """In good order."""
        await self.now.host.close()

    async def kill(self) -> None:
        """As by kill -9, in the middle of writing."""
        await settled(self.now)
        for path in self.now.folder().glob("*.opus"):
            with path.open("ab") as file:
                file.write(TORN)
        if self.now.folder().exists():
            with (self.now.folder() / "events.jsonl").open("ab") as file:
                file.write(b'{"type":"state","at":14')

    async def begin(self, after: float, **settings: Any) -> list[StreamInfo]:
        """The next run, so many seconds later; the streams that go on in it."""
        clock = ManualClock(77_000, self.now.clock.wall() + timedelta(seconds=after))
        self.now = Studio(self._folder, clock=clock, **{**self._settings, **settings})
        self._all.append(self.now)
        await self.now.host.restore(await self.now.host.left())
        return self.now.host.streams()

    async def close(self) -> None:
        for studio in self._all:
            await studio.host.close()


async def settled(studio: Studio) -> None:
    """Everything that was begun has come to the disk."""
    await studio.host.settle()
    await studio.host._shelf.settle()
    await written(studio)


async def written(studio: Studio) -> None:
    """Whatever was sent to the disk is there."""
    for stream in studio.host._streams.values():
        audio = stream._audio
        if audio is not None:
            await until(lambda audio=audio: audio.recorder._job is None)


async def end(studio: Studio) -> StreamInfo:
    await studio.host.end("stream-1", "ended")
    await studio.host.settle()
    await studio.host._shelf.settle()
    ended = studio.told("stream_ended")[-1].stream
    assert ended is not None
    return ended
