"""`clearcast worker`: the process that does the jobs, when nothing else needs the processor."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager

from server.config import Settings
from server.errors import Unavailable
from server.jobs.queue import JobQueue, open_queue
from server.jobs.runner import Kind, left_over, put_back, run_job
from server.log import get_logger
from server.process import keep_memory_steady, lower_priority
from server.store.database import database_url
from server.store.store import Store

LOCK = "jobs.lock"
"""In the data folder: one process takes jobs from the queue in it."""

GRACE_S = 60.0
"""How long after its time a job may need to stop."""
LOOK_S = 1.0
STUCK = 70
"""Exit status of a process that ended because of a job that did not."""

MakeKinds = Callable[[Store], Mapping[str, Kind]]
"""What can be done, by name."""

log = get_logger(__name__)


def work(settings: Settings, make_kinds: MakeKinds, *, supervised: bool = False) -> int:
    """Do jobs until SIGTERM or SIGINT comes; returns the exit status.

    `supervised`: end as well when standard input closes, for then the server is gone. Raises Unavailable.
    """
    lower_priority()
    keep_memory_steady()
    lock = _lock(settings)
    try:
        queue = open_queue(settings)
        if supervised:
            threading.Thread(target=_end_with_input, name="server-gone", daemon=True).start()
        asyncio.run(_look_through(settings, queue, make_kinds))
        stuck = StuckJobs(lambda ids: _end_with(settings, ids))
        stuck.start()
        queue.consume(lambda job_id: _do(settings, queue, make_kinds, stuck, job_id), settings.jobs_workers)
        asyncio.run(_leave(settings))
    finally:
        os.close(lock)
    return 0


class StuckJobs:
    """Looks after jobs that do not even stop when their time is over: a thread cannot be ended, its process can.

    `end` is called in a thread of ours with the ids of those that are stuck.
    """

    def __init__(
        self, end: Callable[[list[str]], None], grace_s: float = GRACE_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._end = end
        self._grace = grace_s
        self._clock = clock
        self._ends: dict[str, float] = {}
        self._lock = threading.Lock()

    def start(self) -> None:
        threading.Thread(target=self._watch, name="stuck-jobs", daemon=True).start()

    def begins(self, job_id: str, limit_s: float) -> None:
        with self._lock:
            self._ends[job_id] = self._clock() + limit_s + self._grace

    def over(self, job_id: str) -> None:
        with self._lock:
            self._ends.pop(job_id, None)

    def look(self) -> None:
        """End what is stuck."""
        with self._lock:
            now = self._clock()
            stuck = [job_id for job_id, end in self._ends.items() if end < now]
        if stuck:
            self._end(stuck)

    def _watch(self) -> None:
        while True:
            time.sleep(LOOK_S)
            self.look()


def _end_with(settings: Settings, stuck: list[str]) -> None:
    """The others are done again and have not been tried for that; the server starts the process anew."""
    log.error("jobs do not stop: their process ends", jobs=stuck)
    try:
        asyncio.run(_leave(settings, stuck))
    finally:
        os._exit(STUCK)


def _do(settings: Settings, queue: JobQueue, make_kinds: MakeKinds, stuck: StuckJobs, job_id: str) -> None:
    """One job, in the queue's thread, on an event loop of its own."""
    try:
        again = asyncio.run(_run(settings, make_kinds, stuck, job_id))
    finally:
        stuck.over(job_id)
    if again is not None:
        queue.put(job_id, *again)


async def _run(settings: Settings, make_kinds: MakeKinds, stuck: StuckJobs, job_id: str) -> tuple[float, int] | None:
    """After how many seconds it is to be done again, and how urgently; None where it is not."""
    async with _store(settings) as store:
        delay = await run_job(
            store,
            make_kinds(store),
            job_id,
            attempts=settings.jobs_attempts,
            watch=lambda limit: stuck.begins(job_id, limit),
        )
        return None if delay is None else (delay, (await store.jobs.get(job_id)).priority)


async def _look_through(settings: Settings, queue: JobQueue, make_kinds: MakeKinds) -> None:
    async with _store(settings) as store:
        await store.open()
        known = await asyncio.to_thread(queue.known)
        for job in await left_over(store, known, settings.jobs_attempts, make_kinds(store)):
            log.info("job is put in again", job=job.id)
            await asyncio.to_thread(queue.put, job.id, 0.0, job.priority)


async def _leave(settings: Settings, but: Collection[str] = ()) -> None:
    async with _store(settings) as store:
        await put_back(store, but)


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
