"""One job, from its row to its end: begun once, told as it goes, tried again when that may help, stopped when asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from server.clock import SAMPLE_RATE
from server.errors import ClearcastError, Conflict, Unavailable
from server.log import get_logger
from server.store.records import Job, JobState
from server.store.store import Store

ATTEMPTS = 5
"""How often a job is begun before it has failed, where nothing else is said."""
BACKOFF_S = (5.0, 20.0, 80.0, 320.0)
"""Before the second attempt, the third, …"""
TELL_S = 1.0
"""Between two writings of a job's progress."""

log = get_logger(__name__)


class Stopped(Exception):
    """The job was cancelled, or is none any more."""


class OverTime(ClearcastError):
    """The job did not come to an end in time."""

    code = "job-over-time"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long jobs may take: live streams come first, so it is several times the length of what they are about."""

    least_s: float = 600.0
    factor: float = 8.0

    def for_samples(self, length: int) -> float:
        """In seconds, for so much audio at 48 kHz."""
        return self.least_s + self.factor * length / SAMPLE_RATE


class Tells(Protocol):
    """Takes how far something is."""

    async def tell(self, share: float, step: str) -> None: ...


class Progress:
    """How far a job is. `tell` writes it down once a second, and raises `Stopped` when the job is wanted no more."""

    def __init__(self, store: Store, job_id: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._job_id = job_id
        self._clock = clock
        self._told_at = float("-inf")
        self._told: tuple[float, str] | None = None

    async def tell(self, share: float, step: str) -> None:
        """`share` from 0 to 1, `step` in words for a person."""
        now = self._clock()
        if now - self._told_at < TELL_S and self._told is not None and self._told[1] == step:
            return
        self._told_at, self._told = now, (share, step)
        job = await self._store.jobs.change(self._job_id, progress=round(min(1.0, max(0.0, share)), 4), step=step)
        if job.state != JobState.RUNNING:
            raise Stopped

    async def reach(self, step: str) -> None:
        """A step, by its name, need not be done again, whatever happens now. Raises `Stopped`."""
        job = await self._store.jobs.change(self._job_id, reached=step)
        if job.state != JobState.RUNNING:
            raise Stopped


async def _nothing(job: Job) -> None:
    """Nothing is left behind."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of job: what is done, and how long that may take in seconds.

    `work` raises Unavailable or Conflict where a later attempt may succeed, any other ClearcastError where none will.
    `job.reached` says which steps an earlier attempt has done. `given_up` takes away what is half done, once the job
    has failed for good or was cancelled while it ran.
    """

    work: Callable[[Job, Progress], Awaitable[Mapping[str, Any]]]
    limit_s: Callable[[Job], Awaitable[float]]
    given_up: Callable[[Job], Awaitable[None]] = _nothing


def _unwatched(seconds: float) -> None:
    """Nobody waits for jobs that do not even stop when they are told to."""


async def run_job(
    store: Store,
    kinds: Mapping[str, Kind],
    job_id: str,
    *,
    attempts: int = ATTEMPTS,
    watch: Callable[[float], None] = _unwatched,
) -> float | None:
    """Do one job. Returns after how many seconds it is to be tried again; None when it is over or was not to be done.

    `watch` is told how long it may take, before it begins. Raises Unavailable where the database cannot be reached.
    """
    job = await store.jobs.claim(job_id, datetime.now(UTC))
    if job is None:
        return None
    log.info("job begins", job=job.id, kind=job.kind, subject=job.subject, attempt=job.attempts)
    kind = kinds.get(job.kind)
    if kind is None:
        await _failed(store, job, f"Nobody here knows how to do a job of the kind “{job.kind}”.")
        return None
    try:
        result = await _done(store, kind, job, watch)
    except Stopped:
        log.info("job stopped", job=job.id)
        await _given_up(kind, job)
    except (Unavailable, Conflict, OverTime) as error:
        return await _again(store, kind, job, error.message, attempts)
    except ClearcastError as error:
        await _failed(store, job, error.message)
        await _given_up(kind, job)
    except Exception as error:  # the boundary of one job: the next ones are done
        log.exception("job failed", job=job.id)
        reason = f"Something went wrong ({type(error).__name__}); the log says more."
        return await _again(store, kind, job, reason, attempts)
    else:
        log.info("job done", job=job.id)
        over = {"state": JobState.DONE.value, "progress": 1.0, "step": "", "error": "", "ended_at": datetime.now(UTC)}
        await store.jobs.change(job.id, **over, result=dict(result))
    return None


async def _done(store: Store, kind: Kind, job: Job, watch: Callable[[float], None]) -> Mapping[str, Any]:
    """What came of it. Raises OverTime."""
    limit = await kind.limit_s(job)
    watch(limit)
    try:
        async with asyncio.timeout(limit):
            return await kind.work(job, Progress(store, job.id))
    except TimeoutError as error:
        raise OverTime(f"It took longer than {limit / 60:.0f} minutes.") from error


async def _given_up(kind: Kind, job: Job) -> None:
    try:
        await kind.given_up(job)
    except (ClearcastError, OSError) as error:
        log.error("what a job left could not be taken away", job=job.id, error=str(error))


async def _again(store: Store, kind: Kind, job: Job, reason: str, attempts: int) -> float | None:
    if job.attempts >= attempts:
        await _failed(store, job, reason)
        await _given_up(kind, job)
        return None
    delay = BACKOFF_S[min(job.attempts, len(BACKOFF_S)) - 1]
    log.warning("job is tried again", job=job.id, reason=reason, seconds=delay)
    waiting = {"state": JobState.QUEUED.value, "progress": 0.0, "step": "Waiting for another try", "error": reason}
    await store.jobs.change(job.id, **waiting)
    return delay


async def _failed(store: Store, job: Job, reason: str) -> None:
    log.error("job failed for good", job=job.id, reason=reason)
    over = {"state": JobState.FAILED.value, "step": "", "error": reason, "ended_at": datetime.now(UTC)}
    await store.jobs.change(job.id, **over)


async def put_back(store: Store, but: Collection[str] = ()) -> None:
    """The process ends in good order: what it does is done again, and has not been tried for that; `but` some has."""
    for job in await store.jobs.unfinished():
        if job.state == JobState.RUNNING and job.id not in but:
            await store.jobs.change(job.id, state=JobState.QUEUED.value, attempts=max(0, job.attempts - 1))


async def left_over(
    store: Store, known: set[str], attempts: int = ATTEMPTS, kinds: Mapping[str, Kind] | None = None
) -> list[Job]:
    """Jobs that the rows know of and the queue does not: begun by a process that is gone, or never put in.

    Call it where no other process does jobs. One that was begun too often is given up: it may be what ends processes.
    """
    found = []
    for job in await store.jobs.unfinished():
        if job.state == JobState.RUNNING and job.attempts >= attempts:
            await _failed(store, job, "It was begun several times and never came to an end.")
            if kinds is not None and job.kind in kinds:
                await _given_up(kinds[job.kind], job)
            continue
        if job.state == JobState.RUNNING:
            await store.jobs.change(job.id, state=JobState.QUEUED.value, progress=0.0)
        if job.id not in known:
            found.append(job)
    return found
