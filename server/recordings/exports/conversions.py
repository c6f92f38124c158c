"""Files that are made when somebody asks for them, and kept while there is room.

They lie in the folder of their recording, so that they go where it goes. What is being made has another name until it
is whole; two who ask for the same wait for the same; when nobody waits any more it is given up. The loop only waits.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from server.errors import DiskFull, NotFound, Unavailable
from server.log import get_logger
from server.process import lower_thread_priority
from server.queues import Policy, Queue
from server.recordings.exports.audio import Cut, write
from server.recordings.files import RecordingFolders

WORKERS = 2
MAX_WAITING = 32
"""Files that are being made or wait for that, at most."""
RETRY_AFTER = 60
LOOK_S = 0.5
"""Between two looks at whether somebody who waits is still there."""
AT_ONCE_S = 0.7
"""What is made within that was there at once, for whoever asks how far it is."""
ASK_AGAIN_S = 20.0
"""A file of which nobody has asked for so long how far it is, is given up."""
PART = ".part"
"""Ends the name of a file that is not whole."""
MB = 1_000_000

CONVERSIONS = Queue(
    "conversions",
    MAX_WAITING,
    Policy.NEWEST,
    holds="files that are made of recordings, for whoever wants them in another format",
    drop="Somebody was answered 503 and asked to come again in a minute.",
)

log = get_logger(__name__)

Present = Callable[[], bool]
"""Whether whoever asked is still there."""


class GivenUp(Exception):
    """Nobody waits for it any more."""


@dataclass(eq=False)
class _Making:
    """One file on its way."""

    target: Path
    stop: threading.Event = field(default_factory=threading.Event)
    waiting: int = 0
    task: asyncio.Task[None] | None = None
    share: float = 0.0


@dataclass(eq=False)
class _Asked:
    """A file of which somebody asks now and then how far it is."""

    at: float
    task: asyncio.Task[None] | None = None


class Conversions:
    """Makes such files and keeps them. `limit_mb` is what all of them together may take; `reserve_mb` stays free."""

    def __init__(self, files: RecordingFolders, limit_mb: int, reserve_mb: int) -> None:
        self._files = files
        self._limit = limit_mb * MB
        self._reserve = reserve_mb * MB
        self._pool = ThreadPoolExecutor(WORKERS, "convert", initializer=lower_thread_priority)
        self._one_by_one = asyncio.Semaphore(1)
        self._others = 0
        self._making: dict[Path, _Making] = {}
        self._held: dict[Path, int] = {}
        self._asked: dict[Path, _Asked] = {}
        CONVERSIONS.measure(self, lambda conversions: conversions.making)

    @property
    def making(self) -> int:
        """How many files are being made, or wait for that."""
        return len(self._making) + self._others

    async def start(self) -> None:
        """Remove what an earlier run of the server left unfinished."""
        await asyncio.get_running_loop().run_in_executor(self._pool, self._sweep)

    async def close(self) -> None:
        """Give up whatever is being made."""
        for making in self._making.values():
            making.stop.set()
        tasks = [making.task for making in self._making.values() if making.task]
        tasks += [asked.task for asked in self._asked.values() if asked.task]
        await asyncio.gather(*tasks, return_exceptions=True)
        self._pool.shutdown(wait=False)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Room for making something that is not kept, one after the other. Raises Unavailable."""
        self._must_not_be_many()
        self._others += 1
        try:
            async with self._one_by_one:
                yield
        finally:
            self._others -= 1

    async def get(self, recording_id: str, cut: Cut, present: Present = lambda: True) -> Path:
        """The file, made now if it is not there. It stays until `release` is called with it.

        Raises NotFound, DiskFull, Unavailable; GivenUp when `present` says that whoever asked has left.
        """
        target = self._files.exports(recording_id) / await asyncio.to_thread(cut.key)
        self._held[target] = self._held.get(target, 0) + 1
        try:
            if not await asyncio.to_thread(_used, target):
                await self._made(target, cut, present)
        except BaseException:
            self.release(target)
            raise
        return target

    async def ready(self, recording_id: str, cut: Cut) -> float | None:
        """How much of a file is made, 0 to 1; None once it is there.

        It is made for as long as somebody asks again within `ASK_AGAIN_S`. Raises what `get` raises, but GivenUp.
        """
        target = self._files.exports(recording_id) / await asyncio.to_thread(cut.key)
        if await asyncio.to_thread(_used, target):
            return None
        now = asyncio.get_running_loop().time
        asked = self._asked.get(target)
        if asked is None:
            asked = self._asked[target] = _Asked(now())
            asked.task = asyncio.create_task(self._asked_for(target, cut, asked), name=f"asked for {target.name}")
        asked.at = now()
        assert asked.task is not None
        await asyncio.wait({asked.task}, timeout=AT_ONCE_S)
        if asked.task.done():
            asked.task.result()
            return None
        making = self._making.get(target)
        return making.share if making is not None else 0.0

    async def _asked_for(self, target: Path, cut: Cut, asked: _Asked) -> None:
        now = asyncio.get_running_loop().time
        try:
            with suppress(GivenUp):
                await self._made(target, cut, lambda: now() - asked.at < ASK_AGAIN_S)
        finally:
            del self._asked[target]

    def release(self, target: Path) -> None:
        """The file has been sent: when room is needed, it may go."""
        left = self._held.get(target, 0) - 1
        if left > 0:
            self._held[target] = left
        else:
            self._held.pop(target, None)

    async def _made(self, target: Path, cut: Cut, present: Present) -> None:
        making = self._making.get(target)
        if making is None:
            making = self._begin(target, cut)
        assert making.task is not None
        making.waiting += 1
        try:
            while not making.task.done():
                await asyncio.wait({making.task}, timeout=LOOK_S)
                if not present():
                    raise GivenUp
            making.task.result()
        finally:
            making.waiting -= 1
            if not making.waiting:
                making.stop.set()
                if self._making.get(target) is making:  # whoever comes now does not wait for what is given up
                    del self._making[target]

    def _begin(self, target: Path, cut: Cut) -> _Making:
        self._must_not_be_many()
        making = self._making[target] = _Making(target)
        work = asyncio.get_running_loop().run_in_executor(self._pool, self._make, making, cut)
        making.task = asyncio.create_task(_until(work), name=f"convert {target.name}")
        making.task.add_done_callback(lambda _: self._over(making))
        return making

    def _must_not_be_many(self) -> None:
        if self.making >= MAX_WAITING:
            CONVERSIONS.dropped += 1
            raise Unavailable("Many files are being made just now.", code="busy", retry_after=RETRY_AFTER)

    def _over(self, making: _Making) -> None:
        if self._making.get(making.target) is making:
            del self._making[making.target]
        if making.task is not None and not making.task.cancelled():
            making.task.exception()  # whoever waited was told

    # ---- in a thread

    def _make(self, making: _Making, cut: Cut) -> None:
        """Raises GivenUp, NotFound, DiskFull."""
        if making.stop.is_set():
            raise GivenUp
        part = making.target.with_name(f".{making.target.name}.{id(making):x}{PART}")

        def watch(done: int) -> None:
            making.share = done / max(1, cut.length)
            if making.stop.is_set():
                raise GivenUp
            if not part.exists():
                raise NotFound("The recording was deleted.", code="unknown-recording")
            self._must_have_room(part)

        try:
            if not cut.source.exists():
                raise NotFound("The recording has no such audio.", code="no-audio")
            part.parent.mkdir(exist_ok=True)
            self._must_have_room(part.parent)
            write(cut, part, watch)
            part.replace(making.target)
        except OSError as error:
            if not cut.source.exists():
                raise NotFound("The recording was deleted.", code="unknown-recording") from error
            log.warning("a file could not be made", file=making.target.name, error=str(error))
            raise DiskFull("There is no room on the server's disk to make this file.") from error
        finally:
            part.unlink(missing_ok=True)
        self._evict()

    def _must_have_room(self, folder: Path) -> None:
        """Recordings come first. Raises DiskFull."""
        if self._reserve and shutil.disk_usage(folder).free < self._reserve:
            self._evict(everything=True)
            if shutil.disk_usage(folder).free < self._reserve:
                raise DiskFull("There is too little room on the server's disk to make this file.")

    def _evict(self, *, everything: bool = False) -> None:
        """Remove what was not asked for longest, until the rest is within the limit."""
        kept = []
        for path in self._files.all_exports():
            with suppress(OSError):
                found = path.stat()
                kept.append((found.st_atime_ns, found.st_size, path))
        taken = sum(size for _, size, _ in kept)
        limit = 0 if everything else self._limit
        for _, size, path in sorted(kept):
            if taken <= limit:
                return
            if path in self._held or path.name.endswith(PART):
                continue
            with suppress(OSError):
                path.unlink()
                taken -= size

    def _sweep(self) -> None:
        for path in self._files.all_exports():
            if path.name.endswith(PART):
                path.unlink(missing_ok=True)
        self._evict()


async def _until(work: Awaitable[None]) -> None:
    await work


def _used(path: Path) -> bool:
    """Whether the file is there; that it was asked for is noted. Its date stays: it belongs to the entity tag."""
    try:
        found = path.stat()
        os.utime(path, ns=(time.time_ns(), found.st_mtime_ns))
    except OSError:
        return False
    return True
