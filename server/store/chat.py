"""What people wrote while a stream was live."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from sqlalchemy import delete, func, select, update

from server.errors import NotFound
from server.store.chat_records import ChatKind, ChatMessage
from server.store.database import Database
from server.store.paging import MAX_PAGE, count, from_number_cursor, to_number_cursor
from server.store.people_schema import ChatMessageRow
from server.store.records import Page

_SWITCHES = (ChatKind.OPENED.value, ChatKind.CLOSED.value)


class ChatTable:
    """Chats of streams. Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, message: ChatMessage) -> ChatMessage:
        """Write a message down, as the last of its stream; returned with its number."""
        number = select(func.coalesce(func.max(ChatMessageRow.number), 0)).where(
            ChatMessageRow.stream_id == message.stream_id
        )
        async with self._database.write() as session:
            row = ChatMessageRow(**asdict(message))
            row.number = (await session.scalar(number) or 0) + 1
            session.add(row)
        return _message(row)

    async def get(self, stream_id: str, message_id: str) -> ChatMessage:
        """Raises NotFound, for one that was deleted too."""
        async with self._database.read() as session:
            row = await session.get(ChatMessageRow, message_id)
        if row is None or row.stream_id != stream_id or row.deleted_at is not None:
            raise NotFound("There is no such message.", code="unknown-message")
        return _message(row)

    async def page(
        self, stream_id: str, *, limit: int = MAX_PAGE, cursor: str | None = None, last: bool = False
    ) -> Page[ChatMessage]:
        """Oldest first: from the beginning on, or the `last` ones. Without what was deleted, and without switches."""
        query = select(ChatMessageRow).where(
            ChatMessageRow.stream_id == stream_id,
            ChatMessageRow.deleted_at.is_(None),
            ChatMessageRow.kind.not_in(_SWITCHES),
        )
        async with self._database.read() as session:
            total = await count(session, query.with_only_columns(ChatMessageRow.id))
            if last:
                newest = await session.scalars(query.order_by(ChatMessageRow.number.desc()).limit(limit))
                return Page([_message(row) for row in reversed(list(newest))], total)
            if cursor is not None:
                query = query.where(ChatMessageRow.number > from_number_cursor(cursor))
            rows = list(await session.scalars(query.order_by(ChatMessageRow.number).limit(limit + 1)))
        after = to_number_cursor(rows[limit - 1].number) if len(rows) > limit else None
        return Page([_message(row) for row in rows[:limit]], total, after)

    async def is_open(self, stream_id: str) -> bool:
        """Whether people may write: as the last switch of the stream says."""
        query = (
            select(ChatMessageRow.kind)
            .where(ChatMessageRow.stream_id == stream_id, ChatMessageRow.kind.in_(_SWITCHES))
            .order_by(ChatMessageRow.number.desc())
            .limit(1)
        )
        async with self._database.read() as session:
            return await session.scalar(query) != ChatKind.CLOSED

    async def remove(self, message_id: str, now: datetime) -> None:
        """Take what a message says away for good; its place is kept."""
        async with self._database.write() as session:
            await session.execute(
                update(ChatMessageRow).where(ChatMessageRow.id == message_id).values(text="", deleted_at=now)
            )

    async def forget(self, stream_id: str) -> None:
        """Delete the whole chat of a stream."""
        async with self._database.write() as session:
            await session.execute(delete(ChatMessageRow).where(ChatMessageRow.stream_id == stream_id))


def _message(row: ChatMessageRow) -> ChatMessage:
    return ChatMessage(
        id=row.id,
        stream_id=row.stream_id,
        at=row.at,
        user_id=row.user_id,
        name=row.name,
        kind=ChatKind(row.kind),
        text=row.text,
        created_at=row.created_at,
        number=row.number,
    )
