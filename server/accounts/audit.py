"""The audit log is written beside what it tells of: nobody waits for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from datetime import timedelta

from server.accounts.gate import Actor
from server.clock import Clock
from server.errors import ClearcastError
from server.log import get_logger
from server.queues import Policy, Queue
from server.store.audit import AuditEntry
from server.store.ids import new_id
from server.store.store import Store

WAITING = 10_000
TOGETHER = 500
"""Entries that are written in one transaction."""
RETRY_EVERY = 5.0
"""Seconds between attempts while the database takes nothing."""
PURGE_EVERY = 6 * 3600.0
LONGEST = {"actor_name": 80, "subject": 64, "address": 64, "detail": 500}
"""Characters of what strangers write."""

ENTRIES = Queue(
    "audit",
    WAITING,
    Policy.OLDEST,
    holds="entries of the audit log that are not written yet",
    drop="The database stands still: the audit log lacks what happened first.",
)

log = get_logger(__name__)


class AuditBook:
    """Takes what was done on the event loop, and never blocks it."""

    def __init__(self, store: Store, clock: Clock, days: int) -> None:
        self._store = store
        self._clock = clock
        self._keep = timedelta(days=days)
        self._waiting: deque[AuditEntry] = ENTRIES.watch(deque(maxlen=WAITING))
        self._wake = asyncio.Event()
        self._stop = asyncio.Event()
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="audit")

    async def close(self) -> None:
        """Write down what waits, then stop."""
        self._stop.set()
        self._wake.set()
        if self._task is not None:
            await self._task
        await self.settle()

    def put(
        self, actor: Actor, action: str, kind: str, subject: str, address: str, result: str = "ok", detail: str = ""
    ) -> None:
        """Note that `actor` did `action` to the `kind` with the id `subject`; `result` is "ok" or an error's code."""
        texts = {"actor_name": actor.name, "subject": subject, "address": address, "detail": detail}
        cut = {name: text[: LONGEST[name]] for name, text in texts.items()}
        ENTRIES.dropped += len(self._waiting) == WAITING
        self._waiting.append(
            AuditEntry(
                new_id(), self._clock.wall(), actor_id=actor.id, action=action, kind=kind, result=result[:40], **cut
            )
        )
        self._wake.set()

    async def settle(self) -> bool:
        """Write what waits; whether the database took it."""
        async with self._writing:
            while self._waiting:
                together = [self._waiting.popleft() for _ in range(min(TOGETHER, len(self._waiting)))]
                try:
                    await self._store.audit.add(together)
                except ClearcastError as error:
                    log.error("the audit log cannot be written now", error=error.message, entries=len(together))
                    room = WAITING - len(self._waiting)
                    ENTRIES.dropped += max(0, len(together) - room)
                    self._waiting.extendleft(reversed(together[-room:] if room else []))
                    return False
        return True

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        purge_at = loop.time()
        while not self._stop.is_set():
            if loop.time() >= purge_at:
                purge_at = loop.time() + PURGE_EVERY
                await self._purge()
            self._wake.clear()
            if self._stop.is_set():  # asked before the clearing: nobody would wake us again
                return
            if await self.settle():
                await self._pause(purge_at, hurry=self._wake)
            else:
                await self._pause(loop.time() + RETRY_EVERY, hurry=self._stop)

    @staticmethod
    async def _pause(until: float, hurry: asyncio.Event) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await hurry.wait()

    async def _purge(self) -> None:
        try:
            await self._store.audit.purge(self._clock.wall() - self._keep)
        except ClearcastError as error:
            log.error("the audit log cannot be tidied now", error=error.message)
