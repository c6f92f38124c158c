"""What is looked after beside: sessions that another process ended, and what has expired."""

from __future__ import annotations

import asyncio
import contextlib

from server.accounts.invitations import REMEMBERED
from server.accounts.sessions import Sessions
from server.clock import Clock
from server.config import Settings
from server.errors import Unavailable
from server.log import get_logger
from server.store.store import Store

LOOK_EVERY = 5.0
PURGE_EVERY = 6 * 3600.0

log = get_logger(__name__)


class Keeping:
    """Runs where there are accounts, from `start` to `close`."""

    def __init__(self, settings: Settings, store: Store, clock: Clock, sessions: Sessions) -> None:
        self._wanted = settings.accounts
        self._store = store
        self._clock = clock
        self._sessions = sessions
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._wanted:
            self._task = asyncio.create_task(self._run(), name="accounts")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        purge_at = loop.time()
        while True:
            try:
                if loop.time() >= purge_at:
                    purge_at = loop.time() + PURGE_EVERY
                    await self._sessions.purge()
                    await self._store.invitations.purge(self._clock.wall() - REMEMBERED)
                await self._sessions.look_again()
            except Unavailable as error:
                log.warning("sessions cannot be looked at now", error=error.message)
            await asyncio.sleep(LOOK_EVERY)
