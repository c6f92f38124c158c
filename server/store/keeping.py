"""How much is kept of whom, and what of it is not finished."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import exists, func, or_, select

from server.store.database import Database
from server.store.library_schema import UploadRow
from server.store.lists import recording_of, recordings
from server.store.paging import MAX_PAGE
from server.store.people_schema import UserRow
from server.store.records import JobState, Recording, RecordingState
from server.store.schema import JobRow, RecordingRow, StreamRow

PLAYABLE = (RecordingState.READY.value, RecordingState.RECOVERED.value)


@dataclass(frozen=True, slots=True)
class Kept:
    """Bytes that one person takes."""

    recordings: int
    """Those in the bin included."""
    bin: int
    uploads: int
    """Files that came, as long as they are kept."""
    quota: int | None
    """What they may take by a word of an administrator; None where none was said."""

    @property
    def used(self) -> int:
        return self.recordings + self.uploads


class KeepingTable:
    """Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, owner: str) -> Kept:
        """What somebody takes; nothing for whom there is none of."""
        size = func.coalesce(func.sum(RecordingRow.size_bytes), 0)
        mine = select(size).join(StreamRow, RecordingRow.stream_id == StreamRow.id).where(StreamRow.owner == owner)
        binned = mine.where(RecordingRow.deleted_at.is_not(None))
        came = select(func.coalesce(func.sum(UploadRow.received), 0)).where(UploadRow.owner == owner)
        async with self._database.read() as session:
            return Kept(
                recordings=int(await session.scalar(mine) or 0),
                bin=int(await session.scalar(binned) or 0),
                uploads=int(await session.scalar(came) or 0),
                quota=await session.scalar(select(UserRow.quota_bytes).where(UserRow.id == owner)),
            )

    async def every(self) -> list[Recording]:
        """All recordings, the oldest first; those in the bin too."""
        async with self._database.read() as session:
            rows = await session.execute(recordings().order_by(RecordingRow.created_at, RecordingRow.id))
            return [recording_of(row) for row in rows]

    async def never_finished(self, kind: str, limit: int = MAX_PAGE) -> list[Recording]:
        """Recordings that can be played and that no job of a kind has done, does or will do; the newest first.

        What became of an upload is its own job's business.
        """
        mine = (JobRow.subject == RecordingRow.id, JobRow.kind == kind)
        failed = exists().where(*mine, JobRow.state == JobState.FAILED)
        other = exists().where(*mine, JobRow.state != JobState.FAILED)
        there = (RecordingRow.state.in_(PLAYABLE), RecordingRow.deleted_at.is_(None), StreamRow.origin == "live")
        query = recordings().where(*there, or_(RecordingRow.facts.is_(None), failed), ~other)
        async with self._database.read() as session:
            rows = await session.execute(query.order_by(RecordingRow.created_at.desc()).limit(limit))
            return [recording_of(row) for row in rows]
