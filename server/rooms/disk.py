"""Whether recordings have room: looked at every two seconds, told in words before it is too late."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Callable
from concurrent.futures import Executor
from enum import IntEnum
from pathlib import Path

from server import metrics
from server.log import get_logger

LOOK_EVERY_S = 2.0
STOP_BELOW = 0.5
"""Part of the reserve below which recordings are closed: the rest is left for closing them, and for the database."""
ENOUGH_FROM = 1.1
"""Part of the reserve from which on there is enough again: what goes up and down a little is told once."""

MB = 1_000_000

log = get_logger(__name__)


class Room(IntEnum):
    """How much there is."""

    ENOUGH = 0
    LITTLE = 1
    """Less than the reserve: no recording begins, those that are going on do."""
    NONE = 2
    """Less than half of it: nothing is recorded."""


class DiskWatch:
    """The disk of the recordings.

    `on_change` is called on the event loop when `room` has changed. `free` gives the free bytes; it may block, so it
    is called in `executor`.
    """

    def __init__(
        self,
        folder: Path,
        reserve_mb: int,
        executor: Executor,
        on_change: Callable[[], None],
        free: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:
        self.room = Room.ENOUGH
        self._folder = folder
        self._reserve_mb = reserve_mb
        self._executor = executor
        self._on_change = on_change
        self._free = free
        self._free_mb = 0
        self._task: asyncio.Task[None] | None = None

    @property
    def words(self) -> str:
        """What a person should know; empty while there is enough."""
        if self.room is Room.ENOUGH:
            return ""
        left = f"{self._free_mb} MB are left on the disk of recordings"
        if self.room is Room.LITTLE:
            return f"Only {left}. Recording goes on until {self.stop_mb:.0f} MB; make room."
        return f"Recording stopped: only {left}. What was recorded so far is kept; the stream goes on."

    @property
    def refusal(self) -> str:
        """Why no recording may begin."""
        return f"Not recording: only {self._free_mb} MB are left on the disk of recordings; the stream goes on."

    @property
    def stop_mb(self) -> float:
        """Where recordings are closed."""
        return STOP_BELOW * self._reserve_mb

    def start(self) -> None:
        """Look now and then, in the background."""
        self._task = asyncio.create_task(self._watch(), name="disk")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def look(self) -> None:
        """Look once."""
        try:
            free = await asyncio.get_running_loop().run_in_executor(self._executor, self._free, self._folder)
        except OSError:  # the folder is not there yet, or gone: whoever writes there says so
            return
        metrics.DISK_FREE.set(free)
        self._free_mb = free // MB
        room = self._judge(free / MB)
        if room is self.room:
            return
        self.room = room
        metrics.DISK_ROOM.set(room)
        log.warning("room for recordings", free_mb=self._free_mb, reserve_mb=self._reserve_mb, room=room.name.lower())
        self._on_change()

    def _judge(self, free_mb: float) -> Room:
        if free_mb < self.stop_mb:
            return Room.NONE
        if free_mb < self._reserve_mb:
            return max(self.room, Room.LITTLE)
        return self.room if free_mb < ENOUGH_FROM * self._reserve_mb else Room.ENOUGH

    async def _watch(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY_S)
