"""Who did what, to what, from where, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import delete, select, tuple_

from server.store.database import Database
from server.store.paging import MAX_PAGE, count, from_cursor, to_cursor
from server.store.people_schema import AuditRow
from server.store.records import Page


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line of the audit log."""

    id: str
    at: datetime
    actor_id: str
    """Empty where nobody had signed in."""
    actor_name: str
    action: str
    """What was done, like `sign-in`."""
    kind: str
    """What it was done to, like `user`."""
    subject: str
    """Its id."""
    address: str
    result: str
    """`ok`, or the code of the error."""
    detail: str = ""


class AuditTable:
    """The audit log. Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, entries: Sequence[AuditEntry]) -> None:
        async with self._database.write() as session:
            session.add_all(AuditRow(**asdict(entry)) for entry in entries)

    async def page(
        self,
        *,
        actor: str | None = None,
        action: str | None = None,
        since: datetime | None = None,
        limit: int = MAX_PAGE,
        cursor: str | None = None,
    ) -> Page[AuditEntry]:
        """Newest first; of one actor, of one action, from a moment on."""
        query = select(AuditRow)
        for column, value in ((AuditRow.actor_id, actor), (AuditRow.action, action)):
            if value is not None:
                query = query.where(column == value)
        if since is not None:
            query = query.where(AuditRow.at >= since)
        async with self._database.read() as session:
            total = await count(session, query.with_only_columns(AuditRow.id))
            if cursor is not None:
                query = query.where(tuple_(AuditRow.at, AuditRow.id) < from_cursor(cursor))
            query = query.order_by(AuditRow.at.desc(), AuditRow.id.desc()).limit(limit + 1)
            rows = list(await session.scalars(query))
        after = to_cursor(rows[limit - 1].at, rows[limit - 1].id) if len(rows) > limit else None
        return Page([_entry(row) for row in rows[:limit]], total, after)

    async def purge(self, before: datetime) -> None:
        """Forget what is older."""
        async with self._database.write() as session:
            await session.execute(delete(AuditRow).where(AuditRow.at < before))


def _entry(row: AuditRow) -> AuditEntry:
    return AuditEntry(**{column.key: getattr(row, column.key) for column in row.__table__.columns})
