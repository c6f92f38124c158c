"""`clearcast worker`: the process that does the jobs, one at a time, when nothing else needs the processor."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from server.config import Settings
from server.errors import Unavailable
from server.jobs.queue import JobQueue, open_queue
from server.jobs.runner import Kind, left_over, put_back, run_job
from server.log import get_logger
from server.process import lower_priority
from server.store.database import database_url
from server.store.store import Store

LOCK = "jobs.lock"
"""In the data folder: one process takes jobs from the queue in it."""

MakeKinds = Callable[[Store], Mapping[str, Kind]]
"""What can be done, by name."""

log = get_logger(__name__)


def work(settings: Settings, make_kinds: MakeKinds, *, supervised: bool = False) -> int:
    """Do jobs until SIGTERM or SIGINT comes; returns the exit status.

    `supervised`: end as well when standard input closes, for then the server is gone. Raises Unavailable.
    """
    lower_priority()
    lock = _lock(settings)
    try:
        queue = open_queue(settings)
        if supervised:
            threading.Thread(target=_end_with_input, name="server-gone", daemon=True).start()
        asyncio.run(_look_through(settings, queue))
        queue.consume(lambda job_id: _do(settings, queue, make_kinds, job_id))
        asyncio.run(_leave(settings))
    finally:
        os.close(lock)
    return 0


def _do(settings: Settings, queue: JobQueue, make_kinds: MakeKinds, job_id: str) -> None:
    """One job, in the queue's thread, on an event loop of its own."""
    delay = asyncio.run(_run(settings, make_kinds, job_id))
    if delay is not None:
        queue.put(job_id, delay)


async def _run(settings: Settings, make_kinds: MakeKinds, job_id: str) -> float | None:
    async with _store(settings) as store:
        return await run_job(store, make_kinds(store), job_id)


async def _look_through(settings: Settings, queue: JobQueue) -> None:
    async with _store(settings) as store:
        await store.open()
        for job_id in await left_over(store, await asyncio.to_thread(queue.known)):
            log.info("job is put in again", job=job_id)
            await asyncio.to_thread(queue.put, job_id)


async def _leave(settings: Settings) -> None:
    async with _store(settings) as store:
        await put_back(store)


@asynccontextmanager
async def _store(settings: Settings) -> AsyncIterator[Store]:
    store = Store(database_url(settings.database_url, settings.data_dir))
    try:
        yield store
    finally:
        await store.close()


def _lock(settings: Settings) -> int:
    path = settings.data_dir / LOCK
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Unavailable(f"{path} cannot be used: {error.strerror}.", code="jobs") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise Unavailable(
            f"Another process does the jobs of {settings.data_dir.absolute()} already.", code="locked"
        ) from None
    return descriptor


def _end_with_input() -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
