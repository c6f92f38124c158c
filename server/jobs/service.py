"""Jobs as the server sees them: made, told of to the pages as they go, cancelled; done by a process beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from server.config import Settings
from server.errors import ClearcastError, Conflict, Unavailable
from server.jobs.line import Line, Speeds, line_of
from server.jobs.process import JobProcess
from server.jobs.queue import JobQueue, open_queue
from server.log import get_logger
from server.queues import Policy, Queue
from server.store.ids import new_id
from server.store.records import Job, JobState
from server.store.store import Store

JOBS = Queue(
    "jobs",
    "CLEARCAST_JOBS_QUEUE",
    Policy.NEWEST,
    holds="jobs that are not over",
    drop="Somebody was answered 503 and told when to come again; what a stream has left is never refused.",
)
LEARNT = 100
"""Jobs that were done before, by which the next ones are estimated."""
LOOK_S = 0.25
"""Between two looks at the rows of jobs that are not over. Nobody looks while there are none."""

LIVE = 100
"""Priority of what a stream has left: it is done first, and never refused."""
ASKED = 10
"""Priority of what people ask for."""
LEAST_RETRY_S = 10

Announce = Callable[[str, Job], None]
"""Told the event's type, `job_progress` or `job_completed`, and the job."""
AnnounceLine = Callable[[Line, set[str]], None]
"""Told the queue whenever somebody's place in it has changed, and whose jobs are in it or were a moment ago."""


def _unheard(line: Line, owners: set[str]) -> None:
    """Nobody follows the queue."""


log = get_logger(__name__)


class JobService:
    """For one event loop. The process that does the jobs is started with the first of them."""

    def __init__(
        self, settings: Settings, store: Store, announce: Announce, announce_line: AnnounceLine = _unheard
    ) -> None:
        self._settings = settings
        self._store = store
        self._announce = announce
        self._announce_line = announce_line
        self._speeds = Speeds()
        self._line = Line(workers=settings.jobs_workers, limit=settings.jobs_queue)
        self._adding = asyncio.Lock()
        JOBS.measure(self, JobService.open_jobs)
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
        for done in reversed(await self._store.jobs.lately_done(LEARNT)):
            self._speeds.learn(done)
        self._stand_in_line()
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

    def current(self, *subjects: str | None) -> Job | None:
        """What is being done about one of these, or waits; the newest."""
        found = [job for job in self._told.values() if job.subject in subjects]
        return max(found, key=lambda job: job.created_at, default=None)

    def open_jobs(self) -> int:
        """How many are not over."""
        return len(self._told)

    @property
    def line(self) -> Line:
        """The queue, as it was when it was looked at last."""
        return self._line

    async def add(
        self,
        kind: str,
        subject: str,
        owner: str,
        *,
        priority: int = ASKED,
        parameters: Mapping[str, Any] | None = None,
    ) -> Job:
        """Make a job, unless there is one of the kind for the subject that is not over: then that.

        Raises Unavailable where it cannot be written down, or where too many wait that are not more urgent. One that
        the queue does not take is found there later.
        """
        async with self._adding:
            for known in await self._store.jobs.unfinished(subject):
                if known.kind == kind:
                    return known
            if priority < LIVE:
                self.check_room()
            job = Job(new_id(), kind, subject, owner, datetime.now(UTC), priority=priority, parameters=parameters)
            await self._store.jobs.add(job)
            await self._begin(job)
        return job

    def check_room(self, more: int = 1) -> None:
        """Raises Unavailable where so many more jobs find no room; says when to come again."""
        asked = [job for job in self._told.values() if job.priority < LIVE]
        if len(asked) + more <= self._settings.jobs_queue:
            return
        JOBS.dropped += more
        now = datetime.now(UTC)
        ends = [self._speeds.left(job, now) for job in asked if job.state == JobState.RUNNING]
        wait = max(LEAST_RETRY_S, round(min(ends, default=0.0)))
        raise Unavailable("Too many jobs are waiting. Try again later.", code="jobs-full", retry_after=wait)

    async def retry(self, job_id: str) -> Job:
        """Have a job that failed or was cancelled done once more, from the step that it had reached.

        Raises NotFound, Conflict where it is not over or went well, Unavailable where too many wait.
        """
        async with self._adding:
            known = await self._store.jobs.get(job_id)
            for other in await self._store.jobs.unfinished(known.subject):
                if other.kind == known.kind:
                    raise Conflict("The same is being done already.", code="job-open")
            if known.priority < LIVE:
                self.check_room()
            job = await self._store.jobs.reopen(job_id, datetime.now(UTC))
            if job is None:
                raise Conflict("This job was done.", code="job-done")
            await self._begin(job)
        return job

    async def _begin(self, job: Job) -> None:
        try:
            await asyncio.to_thread(self._put, job)
        except ClearcastError as error:
            log.error("a job waits for the next start", job=job.id, error=error.message)
        self._tell(job)
        self._stand_in_line()
        self._process.start()
        self._news.set()

    async def cancel(self, job_id: str) -> Job:
        """Have it done no more. Raises NotFound, Conflict where it is over."""
        job = await self._store.jobs.change(job_id, state=JobState.CANCELLED.value, step="", ended_at=datetime.now(UTC))
        if job.state != JobState.CANCELLED:
            raise Conflict("This job is over already.", code="job-over")
        self._tell(job)
        self._stand_in_line()
        return job

    def _put(self, job: Job) -> None:
        if self._queue is None:
            self._queue = open_queue(self._settings)
        self._queue.put(job.id, priority=job.priority)

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
        self._stand_in_line()

    def _stand_in_line(self) -> None:
        """Look at who is how far, and tell it where somebody has moved."""
        before = self._line
        settings = self._settings
        now = line_of(self._told.values(), self._speeds, settings.jobs_workers, settings.jobs_queue, datetime.now(UTC))
        self._line = now
        if (before.running, list(before.places)) != (now.running, list(now.places)):
            self._announce_line(now, {*before.owners.values(), *now.owners.values()})

    def _tell(self, job: Job) -> None:
        over = job.state not in (JobState.QUEUED, JobState.RUNNING)
        if over:
            known = self._told.pop(job.id, None)
            if known is None:
                return  # told already
            self._speeds.learn(job)
        else:
            self._told[job.id] = job
        self._announce("job_completed" if over else "job_progress", job)
