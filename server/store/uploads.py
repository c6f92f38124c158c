"""Files that people bring: how much of each is here, and what has become of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import delete, func, select, update

from server.errors import NotFound
from server.store.database import Database
from server.store.library_schema import UploadRow
from server.store.paging import MAX_PAGE, page_by_time
from server.store.records import Page


class UploadState(StrEnum):
    """What has become of an upload."""

    RECEIVING = "receiving"
    RECEIVED = "received"
    CHECKING = "checking"
    READY_TO_START = "ready_to_start"
    QUEUED = "queued"
    PROCESSING = "processing"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


OVER = (UploadState.DONE, UploadState.FAILED, UploadState.CANCELLED)
LOST = (UploadState.FAILED, UploadState.CANCELLED)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that was recorded elsewhere, from its first byte to the recording that it becomes."""

    id: str
    owner: str
    name: str
    """As its owner's machine called it: for people, never for a path."""
    size: int
    """Bytes that are to come."""
    created_at: datetime
    changed_at: datetime
    received: int = 0
    """Bytes that are here: 0 again once the file is not kept any more."""
    state: str = UploadState.RECEIVING
    detail: str = ""
    """What a person should know; else empty."""
    sha256: str | None = None
    batch: str | None = None
    """Those that were sent together share it."""
    options: Mapping[str, Any] = field(default_factory=dict)
    diagnosis: Mapping[str, Any] | None = None
    recording_id: str | None = None


class UploadTable:
    """Uploads. Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, upload: Upload) -> None:
        """Write a new one down."""
        async with self._database.write() as session:
            session.add(UploadRow(**asdict(upload)))

    async def get(self, upload_id: str) -> Upload:
        """Raises NotFound."""
        async with self._database.read() as session:
            row = await session.get(UploadRow, upload_id)
        if row is None:
            raise NotFound("There is no such upload.", code="unknown-upload")
        return _upload(row)

    async def change(
        self, upload_id: str, now: datetime, *, only: Collection[UploadState] | None = None, **values: Any
    ) -> Upload | None:
        """Set columns, where it is in one of the states `only`; None where it is in another. Raises NotFound."""
        changed = update(UploadRow).where(UploadRow.id == upload_id).values(changed_at=now, **values)
        if only is not None:
            changed = changed.where(UploadRow.state.in_([state.value for state in only]))
        async with self._database.write() as session:
            found = await session.scalar(changed.returning(UploadRow.id))
        upload = await self.get(upload_id)
        return upload if found is not None else None

    async def claim(self, upload_id: str, sha256: str, now: datetime) -> list[Upload]:
        """Say what an upload holds; returns the earlier ones of the same owner with the same content, oldest first.

        Of two that are claimed at once exactly one is the first: the transaction is the only writer.
        """
        async with self._database.write() as session:
            row = await session.get(UploadRow, upload_id)
            if row is None:
                return []
            same = select(UploadRow).where(
                UploadRow.owner == row.owner,
                UploadRow.sha256 == sha256,
                UploadRow.id != upload_id,
                UploadRow.state.not_in([state.value for state in LOST]),
            )
            others = [_upload(other) for other in await session.scalars(same)]
            row.sha256, row.changed_at = sha256, now
            found = [other for other in others if duplicate_of(other) is None]
            return sorted(found, key=lambda other: (other.created_at, other.id))

    async def of_content(self, owner: str, sha256: str) -> list[Upload]:
        """All uploads of one content, oldest first."""
        query = select(UploadRow).where(UploadRow.owner == owner, UploadRow.sha256 == sha256)
        async with self._database.read() as session:
            found = [_upload(row) for row in await session.scalars(query)]
        return sorted(found, key=lambda upload: (upload.created_at, upload.id))

    async def followers(self, upload: Upload) -> list[Upload]:
        """Later uploads of the same content, of which nothing was made because this one stands for them."""
        same = await self.of_content(upload.owner, upload.sha256) if upload.sha256 is not None else []
        return [other for other in same if duplicate_of(other) == upload.id]

    async def of_recording(self, recording_id: str) -> Upload | None:
        """The upload that became a recording."""
        query = select(UploadRow).where(UploadRow.recording_id == recording_id).limit(1)
        async with self._database.read() as session:
            row = await session.scalar(query)
        return _upload(row) if row is not None else None

    async def page(
        self, owner: str, *, batch: str | None = None, limit: int = MAX_PAGE, cursor: str | None = None
    ) -> Page[Upload]:
        """One person's, newest first."""
        query = select(UploadRow).where(UploadRow.owner == owner)
        if batch is not None:
            query = query.where(UploadRow.batch == batch)
        async with self._database.read() as session:
            return await page_by_time(session, query, UploadRow, _upload, limit=limit, cursor=cursor)

    async def in_states(self, states: Collection[UploadState], before: datetime | None = None) -> list[Upload]:
        """Everybody's that are so, oldest first; with `before` only those that have not changed since."""
        query = select(UploadRow).where(UploadRow.state.in_([state.value for state in states]))
        if before is not None:
            query = query.where(UploadRow.changed_at < before)
        async with self._database.read() as session:
            found = [_upload(row) for row in await session.scalars(query)]
        return sorted(found, key=lambda upload: (upload.created_at, upload.id))

    async def ids(self) -> set[str]:
        """Of all uploads."""
        async with self._database.read() as session:
            return set(await session.scalars(select(UploadRow.id)))

    async def coming(self, owner: str) -> tuple[int, int]:
        """Number of one person's uploads that are not here yet, and the bytes that are missing of them."""
        query = select(func.count(), func.coalesce(func.sum(UploadRow.size - UploadRow.received), 0)).where(
            UploadRow.owner == owner, UploadRow.state == UploadState.RECEIVING.value
        )
        async with self._database.read() as session:
            number, size = (await session.execute(query)).one()
        return int(number), int(size)

    async def forget(self, upload_id: str) -> None:
        """Take the row away."""
        async with self._database.write() as session:
            await session.execute(delete(UploadRow).where(UploadRow.id == upload_id))


def duplicate_of(upload: Upload) -> str | None:
    """The upload that the same content was processed by; None where this one is it."""
    return (upload.diagnosis or {}).get("duplicate_of")


def _upload(row: UploadRow) -> Upload:
    return Upload(**{column.key: getattr(row, column.key) for column in row.__table__.columns})
