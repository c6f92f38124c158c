"""Jobs: what is to be done, what is being done and what has become of it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import select, update

from server.errors import NotFound
from server.store.database import Database
from server.store.paging import MAX_PAGE, page_by_time
from server.store.records import Job, JobState, Page
from server.store.schema import JobRow

OPEN = (JobState.QUEUED.value, JobState.RUNNING.value)


class JobTable:
    """Jobs. Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, job: Job) -> None:
        """Write a new job down."""
        async with self._database.write() as session:
            session.add(JobRow(**asdict(job)))

    async def get(self, job_id: str) -> Job:
        """Raises NotFound."""
        async with self._database.read() as session:
            row = await session.get(JobRow, job_id)
        if row is None:
            raise NotFound("There is no such job.", code="unknown-job")
        return _job(row)

    async def claim(self, job_id: str, now: datetime) -> Job | None:
        """Begin a queued job: one more attempt. None where somebody else has, or it is over. Raises NotFound."""
        claimed = (
            update(JobRow)
            .where(JobRow.id == job_id, JobRow.state == JobState.QUEUED)
            .values(state=JobState.RUNNING.value, attempts=JobRow.attempts + 1, started_at=now, error="")
        )
        async with self._database.write() as session:
            changed = await session.scalar(claimed.returning(JobRow.id))
        job = await self.get(job_id)
        return job if changed is not None else None

    async def change(self, job_id: str, **values: Any) -> Job:
        """Set columns of a job that is not over, and return it as it is then. Raises NotFound."""
        async with self._database.write() as session:
            await session.execute(update(JobRow).where(JobRow.id == job_id, JobRow.state.in_(OPEN)).values(**values))
        return await self.get(job_id)

    async def reopen(self, job_id: str, now: datetime) -> Job | None:
        """Have a job that failed or was cancelled done once more, from the step that it had reached, as if made now.

        None where it is not over, or done. Raises NotFound.
        """
        anew: dict[str, Any] = {"state": JobState.QUEUED.value, "progress": 0.0, "attempts": 0, "error": ""}
        lost = (JobState.FAILED.value, JobState.CANCELLED.value)
        reopened = update(JobRow).where(JobRow.id == job_id, JobRow.state.in_(lost))
        async with self._database.write() as session:
            changed = await session.scalar(
                reopened.values(**anew, created_at=now, step="", started_at=None, ended_at=None).returning(JobRow.id)
            )
        job = await self.get(job_id)
        return job if changed is not None else None

    async def lately_done(self, limit: int) -> list[Job]:
        """The newest that came to a good end, newest first."""
        query = select(JobRow).where(JobRow.state == JobState.DONE.value).order_by(JobRow.created_at.desc())
        async with self._database.read() as session:
            return [_job(row) for row in await session.scalars(query.limit(limit))]

    async def page(
        self,
        owner: str | None,
        *,
        subject: str | None = None,
        state: str | None = None,
        kind: str | None = None,
        limit: int = MAX_PAGE,
        cursor: str | None = None,
    ) -> Page[Job]:
        """Newest first, of everybody where no owner is named; of one stream where `subject` names it."""
        wanted = {JobRow.owner: owner, JobRow.subject: subject, JobRow.state: state, JobRow.kind: kind}
        query = select(JobRow).where(*(column == value for column, value in wanted.items() if value is not None))
        async with self._database.read() as session:
            return await page_by_time(session, query, JobRow, _job, limit=limit, cursor=cursor)

    async def unfinished(self, subject: str | None = None) -> list[Job]:
        """Jobs that are queued or running, oldest first."""
        query = select(JobRow).where(JobRow.state.in_(OPEN))
        if subject is not None:
            query = query.where(JobRow.subject == subject)
        async with self._database.read() as session:
            rows = await session.scalars(query)
            return sorted((_job(row) for row in rows), key=lambda job: job.created_at)


def _job(row: JobRow) -> Job:
    return Job(**{column.key: getattr(row, column.key) for column in row.__table__.columns})
