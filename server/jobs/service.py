"""Jobs as the server sees them: made, told of to the pages as they go, cancelled; done by a process beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from server.config import Settings
from server.errors import ClearcastError, Conflict
from server.jobs.process import JobProcess
from server.jobs.queue import JobQueue, open_queue
from server.log import get_logger
from server.store.ids import new_id
from server.store.records import Job, JobState
from server.store.store import Store

LOOK_S = 1.0
"""Between two looks at the rows of jobs that are not over. Nobody looks while there are none."""

Announce = Callable[[str, Job], None]
"""Told the event's type, `job_progress` or `job_completed`, and the job."""

log = get_logger(__name__)


class JobService:
    """For one event loop. The process that does the jobs is started with the first of them."""

    def __init__(self, settings: Settings, store: Store, announce: Announce) -> None:
        self._settings = settings
        self._store = store
        self._announce = announce
        self._process = JobProcess(settings)
        self._queue: JobQueue | None = None
        self._task: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._told: dict[str, Job] = {}
        """Jobs that are not over, as they were told last."""

    @property
    def worker_pid(self) -> int | None:
        """The process that does the jobs; None while there is none."""
        return self._process.pid

    async def start(self) -> None:
        """Go on with what an earlier run has left."""
        self._told = {job.id: job for job in await self._store.jobs.unfinished()}
        self._task = asyncio.create_task(self._watch(), name="jobs")
        if self._told:
            self._process.start()
            self._news.set()

    async def close(self) -> None:
        """What is being done is done again in the next run."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._process.stop()
        if self._queue is not None:
            await asyncio.to_thread(self._queue.close)

    async def add(self, kind: str, subject: str, owner: str) -> Job:
        """Make a job, unless there is one of the kind for the subject that is not over: then that.

        Raises Unavailable where it cannot be written down. One that the queue does not take is found there later.
        """
        for known in await self._store.jobs.unfinished(subject):
            if known.kind == kind:
                return known
        job = Job(new_id(), kind, subject, owner, datetime.now(UTC))
        await self._store.jobs.add(job)
        try:
            await asyncio.to_thread(self._put, job.id)
        except ClearcastError as error:
            log.error("a job waits for the next start", job=job.id, error=error.message)
        self._tell(job)
        self._process.start()
        self._news.set()
        return job

    async def cancel(self, job_id: str) -> Job:
        """Have it done no more. Raises NotFound, Conflict where it is over."""
        job = await self._store.jobs.change(job_id, state=JobState.CANCELLED.value, step="", ended_at=datetime.now(UTC))
        if job.state != JobState.CANCELLED:
            raise Conflict("This job is over already.", code="job-over")
        self._tell(job)
        return job

    def _put(self, job_id: str) -> None:
        if self._queue is None:
            self._queue = open_queue(self._settings)
        self._queue.put(job_id)

    async def _watch(self) -> None:
        while True:
            if not self._told:
                self._news.clear()
                await self._news.wait()
            await asyncio.sleep(LOOK_S)
            try:
                await self._look()
            except ClearcastError as error:
                log.warning("jobs cannot be looked at", error=error.message)

    async def _look(self) -> None:
        """Tell what is new in the rows."""
        now = {job.id: job for job in await self._store.jobs.unfinished()}
        for job_id in [job_id for job_id in self._told if job_id not in now]:
            self._tell(await self._store.jobs.get(job_id))
        for job in now.values():
            if self._told.get(job.id) != job:
                self._tell(job)

    def _tell(self, job: Job) -> None:
        over = job.state not in (JobState.QUEUED, JobState.RUNNING)
        if over:
            known = self._told.pop(job.id, None)
            if known is None:
                return  # told already
        else:
            self._told[job.id] = job
        self._announce("job_completed" if over else "job_progress", job)
