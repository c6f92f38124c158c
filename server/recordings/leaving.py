"""Somebody's account goes, with all its data: begun at once, finished beside, gone on with after a restart.

The order makes it safe to stop anywhere: first nobody sees or finds whoever leaves, then their streams end, then files
go, and the rows last. Whatever was interrupted is found by its rows and begun again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from server.clock import Clock
from server.errors import ClearcastError, NotFound
from server.log import get_logger
from server.recordings.files import RecordingFolders
from server.rooms.messages import StreamInfo
from server.store.store import Store

PATIENCE_S = 60.0
"""How long streams may take to be written down; after that it is tried again at the next start."""
LOOK_S = 0.2
REASON = "ended by the owner"

log = get_logger(__name__)


class LiveStreams(Protocol):
    """What the media host knows of streams."""

    def streams(self) -> list[StreamInfo]: ...

    async def end(self, stream_id: str, reason: str) -> None: ...


class Leaving:
    """Forgets people. `gone` is told of each whose data are no longer there."""

    def __init__(
        self,
        store: Store,
        files: RecordingFolders,
        clock: Clock,
        live: LiveStreams,
        gone: Callable[[str], Awaitable[None]],
    ) -> None:
        self._store = store
        self._files = files
        self._clock = clock
        self._live = live
        self._gone = gone
        self._tasks: set[asyncio.Task[None]] = set()

    async def begin(self, user_id: str) -> set[str]:
        """From now on nobody sees or finds them; the rest happens beside. Returns whose friends they were.

        Raises Conflict "last-administrator", and then nothing has happened.
        """
        known = await self._store.belongings.leave(user_id, self._clock.wall())
        task = asyncio.create_task(self._finish(user_id), name=f"forget {user_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return known

    async def go_on(self) -> None:
        """Forget those who had begun to leave in an earlier run of the server."""
        for user_id in await self._store.belongings.leaving():
            await self._forget(user_id)

    async def close(self) -> None:
        """Stop; the next start goes on."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _finish(self, user_id: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._end_streams(user_id)
            await self._forget(user_id)
            await self._gone(user_id)
        except (ClearcastError, OSError, TimeoutError) as error:
            log.error("somebody is not forgotten yet; the next start goes on", user=user_id, error=str(error))

    async def _end_streams(self, user_id: str) -> None:
        """Streams that are live end, and are written down; else a recorder would make files again."""
        while True:
            live = [stream for stream in self._live.streams() if stream.principal == user_id]
            for stream in live:
                try:
                    await self._live.end(stream.id, REASON)
                except NotFound:
                    continue
            if not live and all((await self._store.belongings.recordings(user_id)).values()):
                return
            await asyncio.sleep(LOOK_S)

    async def _forget(self, user_id: str) -> None:
        for recording_id in await self._store.belongings.recordings(user_id):
            await asyncio.to_thread(self._files.remove, recording_id)
        await self._store.belongings.forget(user_id)
        log.info("an account is gone, with all its data", user=user_id)
