"""What people are told, and the browsers that are told while their page is closed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.store.database import Database
from server.store.paging import MAX_PAGE, from_cursor, to_cursor
from server.store.people_records import Notice, PushSubscription
from server.store.people_schema import NotificationRow, PushSubscriptionRow, UserRow
from server.store.records import Page

MAX_NOTICES = 200
"""Of one person; the oldest go."""
MAX_BROWSERS = 10
"""Of one person; the oldest go."""


class NoticeTable:
    """Notices. Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, notices: Sequence[Notice]) -> None:
        """Write some down, of any people who are there; whoever has too many loses the oldest."""
        async with self._database.write() as session:
            wanted = {notice.user_id for notice in notices}
            there = set(await session.scalars(select(UserRow.id).where(UserRow.id.in_(wanted))))
            session.add_all(NotificationRow(**_values(notice)) for notice in notices if notice.user_id in there)
            await session.flush()
            number = func.count()
            full = (
                select(NotificationRow.user_id)
                .where(NotificationRow.user_id.in_(there))
                .group_by(NotificationRow.user_id)
                .having(number > MAX_NOTICES)
            )
            for user_id in list(await session.scalars(full)):
                await _trim(session, user_id)

    async def page(self, user_id: str, *, limit: int = MAX_PAGE, cursor: str | None = None) -> tuple[Page[Notice], int]:
        """Newest first, and how many of all are unread."""
        mine = NotificationRow.user_id == user_id
        totals = select(func.count(), func.count(NotificationRow.read_at)).where(mine)
        query = select(NotificationRow).where(mine)
        async with self._database.read() as session:
            total, read = (await session.execute(totals)).one()
            if cursor is not None:
                query = query.where(tuple_(NotificationRow.created_at, NotificationRow.id) < from_cursor(cursor))
            query = query.order_by(NotificationRow.created_at.desc(), NotificationRow.id.desc()).limit(limit + 1)
            rows = list(await session.scalars(query))
        after = to_cursor(rows[limit - 1].created_at, rows[limit - 1].id) if len(rows) > limit else None
        return Page([_notice(row) for row in rows[:limit]], total, after), total - read

    async def read(self, user_id: str, up_to: str, now: datetime) -> bool:
        """Everything up to this one has been seen; whether there was such a one."""
        mine = NotificationRow.user_id == user_id
        async with self._database.write() as session:
            last = await session.scalar(select(NotificationRow).where(NotificationRow.id == up_to, mine))
            if last is None:
                return False
            older = tuple_(NotificationRow.created_at, NotificationRow.id) <= (last.created_at, last.id)
            await session.execute(
                update(NotificationRow).where(mine, older, NotificationRow.read_at.is_(None)).values(read_at=now)
            )
            return True

    async def forget(self, user_id: str, person: str, kind: str | None = None) -> None:
        """Take away what somebody was told of a person, of one kind or of all."""
        query = select(NotificationRow).where(NotificationRow.user_id == user_id)
        async with self._database.write() as session:
            rows = await session.scalars(query)
            gone = [row.id for row in rows if row.data.get("person") == person and kind in (None, row.kind)]
            await session.execute(delete(NotificationRow).where(NotificationRow.id.in_(gone)))

    async def wishes(self, user_ids: Collection[str]) -> dict[str, Mapping[str, Any]]:
        """The preferences of those people who have an account that is not disabled; one query."""
        query = select(UserRow.id, UserRow.preferences).where(UserRow.id.in_(user_ids), UserRow.disabled_at.is_(None))
        async with self._database.read() as session:
            return {row.id: row.preferences for row in await session.execute(query)}


class PushTable:
    """Browsers that are told while their page is closed. Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, subscription: PushSubscription) -> None:
        """Keep one; an endpoint that is known belongs to whoever uses that browser now."""
        mine = PushSubscriptionRow.user_id == subscription.user_id
        newest = (PushSubscriptionRow.created_at.desc(), PushSubscriptionRow.id.desc())
        async with self._database.write() as session:
            known = PushSubscriptionRow.endpoint == subscription.endpoint
            await session.execute(delete(PushSubscriptionRow).where(known))
            session.add(PushSubscriptionRow(**asdict(subscription) | {"keys": dict(subscription.keys)}))
            await session.flush()
            kept = select(PushSubscriptionRow.id).where(mine).order_by(*newest).limit(MAX_BROWSERS)
            await session.execute(delete(PushSubscriptionRow).where(mine, PushSubscriptionRow.id.not_in(kept)))

    async def of(self, user_ids: Collection[str]) -> list[PushSubscription]:
        """Those of some people; one query."""
        query = select(PushSubscriptionRow).where(PushSubscriptionRow.user_id.in_(user_ids))
        async with self._database.read() as session:
            return [
                PushSubscription(row.id, row.user_id, row.endpoint, row.keys, row.created_at)
                for row in await session.scalars(query)
            ]

    async def forget(self, user_id: str, endpoint: str | None = None) -> None:
        """Tell a browser nothing more; all of a person without `endpoint`."""
        mine = delete(PushSubscriptionRow).where(PushSubscriptionRow.user_id == user_id)
        if endpoint is not None:
            mine = mine.where(PushSubscriptionRow.endpoint == endpoint)
        async with self._database.write() as session:
            await session.execute(mine)


async def _trim(session: AsyncSession, user_id: str) -> None:
    mine = NotificationRow.user_id == user_id
    newest = (NotificationRow.created_at.desc(), NotificationRow.id.desc())
    kept = select(NotificationRow.id).where(mine).order_by(*newest).limit(MAX_NOTICES)
    await session.execute(delete(NotificationRow).where(mine, NotificationRow.id.not_in(kept)))


def _values(notice: Notice) -> dict[str, Any]:
    return asdict(notice) | {"data": dict(notice.data)}


def _notice(row: NotificationRow) -> Notice:
    return Notice(row.id, row.user_id, row.kind, row.data, row.created_at, row.read_at)
