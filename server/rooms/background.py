"""Work that nobody waits for: kept until it is done, and its failures told to the log."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from server.log import get_logger

log = get_logger(__name__)


class Background:
    """Tasks of the event loop that outlive the call which began them."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def settle(self) -> None:
        """Wait until all of it is done, what it begins meanwhile too."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("work in the background failed", exc_info=error)
