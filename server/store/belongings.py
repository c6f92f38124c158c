"""All that belongs to one person: to be taken along, or to be forgotten."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.errors import Conflict
from server.store.database import Database
from server.store.library_schema import CaptionEditRow, CollectionItemRow, CollectionRow, UploadRow
from server.store.people_schema import (
    AccessGrantRow,
    AccessRuleRow,
    ApiKeyRow,
    AuditRow,
    BlockRow,
    ChatMessageRow,
    FriendRequestRow,
    FriendshipRow,
    GroupMemberRow,
    GroupRow,
    InvitationRow,
    NotificationRow,
    PushSubscriptionRow,
    RefreshTokenRow,
    SessionRow,
    UserRow,
    UserWordRow,
)
from server.store.records import RecordingState
from server.store.schema import Base, ChannelRow, JobRow, RecordingRow, StreamRow, VoiceRow
from server.store.users import GONE

NAMELESS = "–"
SECRETS = {"password", "token_hash", "stream_key_hash", "avatar", "centroids", "keys", "endpoint"}
"""Columns that are not told even to whose they are, or not as JSON."""
AT_ONCE = (
    *(SessionRow, RefreshTokenRow, ApiKeyRow, PushSubscriptionRow, NotificationRow),
    *(UserWordRow, GroupMemberRow),
)
"""Tables with a `user_id` whose rows go as soon as somebody leaves."""
UNFINISHED = (RecordingState.RECORDING.value, RecordingState.FINISHING.value)


class BelongingTable:
    """What belongs to one person. Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def leave(self, user_id: str, now: datetime) -> set[str]:
        """Begin to forget somebody: from now on nobody sees or finds them, and nobody can sign in as them.

        Returns their friends, and all whom they had blocked or who had blocked them. Raises Conflict
        "last-administrator" where others would be left without one.
        """
        async with self._database.write() as session:
            await _check_not_last(session, user_id)
            known = await _known(session, user_id)
            for table in AT_ONCE:
                await session.execute(delete(table).where(table.user_id == user_id))
            for gone in _between(user_id):
                await session.execute(gone)
            await session.execute(delete(InvitationRow).where(InvitationRow.created_by == user_id))
            await _forget_rules(session, user_id)
            nothing = {"email": None, "stream_key_hash": None, "avatar": None, "avatar_at": None, "bio": ""}
            nobody = {"name": f"-{user_id}"[:40], "display_name": NAMELESS, "password": GONE, "administrator": False}
            hidden = {"disabled_at": now, "preferences": {"access": "private"}}
            await session.execute(update(UserRow).where(UserRow.id == user_id).values(**nothing, **nobody, **hidden))
        return known

    async def leaving(self) -> list[str]:
        """Who has begun to leave, and is not forgotten yet."""
        async with self._database.read() as session:
            return list(await session.scalars(select(UserRow.id).where(UserRow.password == GONE)))

    async def recordings(self, owner: str) -> dict[str, bool]:
        """Ids of all recordings of an owner, and whether each is finished; those in the bin too."""
        query = select(RecordingRow.id, RecordingRow.state).join(StreamRow).where(StreamRow.owner == owner)
        async with self._database.read() as session:
            return {row_id: state not in UNFINISHED for row_id, state in await session.execute(query)}

    async def forget(self, user_id: str) -> None:
        """Take everything of somebody away for good; their recordings' files must be gone.

        What they did stays in the audit log, without name and address.
        """
        async with self._database.write() as session:
            streams = select(StreamRow.id).where(StreamRow.owner == user_id)
            await session.execute(delete(JobRow).where(or_(JobRow.owner == user_id, JobRow.subject.in_(streams))))
            await session.execute(delete(VoiceRow).where(VoiceRow.owner == user_id))
            await session.execute(delete(UploadRow).where(UploadRow.owner == user_id))
            await session.execute(delete(ChatMessageRow).where(ChatMessageRow.user_id == user_id))
            await session.execute(delete(StreamRow).where(StreamRow.owner == user_id))
            await session.execute(delete(ChannelRow).where(ChannelRow.owner == user_id))
            await session.execute(delete(CollectionRow).where(CollectionRow.owner == user_id))
            nameless = update(AuditRow).where(AuditRow.actor_id == user_id)
            await session.execute(nameless.values(actor_name="", address="", detail=""))
            await session.execute(delete(UserRow).where(UserRow.id == user_id))

    async def everything(self, user_id: str) -> dict[str, list[dict[str, Any]]]:
        """All rows of somebody by table, as JSON takes them; without what is secret."""
        found = {}
        async with self._database.read() as session:
            for table, condition in _rows_of(user_id):
                columns = [column for column in table.columns if column.name not in SECRETS]
                rows = await session.execute(select(*columns).where(condition))
                found[table.name] = [_plain(row) for row in rows.mappings()]
        return found


async def _check_not_last(session: AsyncSession, user_id: str) -> None:
    others = select(func.count()).select_from(UserRow).where(UserRow.id != user_id, UserRow.disabled_at.is_(None))
    if await session.scalar(others) and not await session.scalar(others.where(UserRow.administrator)):
        raise Conflict("You are the only administrator: make somebody else one first.", code="last-administrator")


async def _known(session: AsyncSession, user_id: str) -> set[str]:
    """Whoever's circle changes when somebody goes."""
    found: set[str] = set()
    for one, other in (
        *((FriendshipRow.low, FriendshipRow.high), (FriendRequestRow.sender, FriendRequestRow.recipient)),
        (BlockRow.blocker, BlockRow.blocked),
    ):
        found |= set(await session.scalars(select(other).where(one == user_id)))
        found |= set(await session.scalars(select(one).where(other == user_id)))
    groups = select(GroupMemberRow.user_id).join(GroupRow).where(GroupRow.owner == user_id)
    return found | set(await session.scalars(groups))


def _between(user_id: str) -> Iterable[Any]:
    """Deletes of what is between somebody and others."""
    yield delete(FriendshipRow).where(or_(FriendshipRow.low == user_id, FriendshipRow.high == user_id))
    mine = or_(FriendRequestRow.sender == user_id, FriendRequestRow.recipient == user_id)
    yield delete(FriendRequestRow).where(mine)
    yield delete(BlockRow).where(or_(BlockRow.blocker == user_id, BlockRow.blocked == user_id))
    yield delete(GroupRow).where(GroupRow.owner == user_id)


async def _forget_rules(session: AsyncSession, user_id: str) -> None:
    """What nobody has a rule for is private; and rules of others name somebody who is gone no longer."""
    named = and_(AccessGrantRow.subject_kind == "user", AccessGrantRow.subject_id == user_id)
    await session.execute(delete(AccessGrantRow).where(named))
    mine = {
        "channel": select(ChannelRow.id).where(ChannelRow.owner == user_id),
        "stream": select(StreamRow.id).where(StreamRow.owner == user_id),
        "recording": select(RecordingRow.id).join(StreamRow).where(StreamRow.owner == user_id),
        "collection": select(CollectionRow.id).where(CollectionRow.owner == user_id),
    }
    for kind, ids in mine.items():
        for table in (AccessRuleRow, AccessGrantRow):
            await session.execute(delete(table).where(table.kind == kind, table.id.in_(ids)))


def _rows_of(user_id: str) -> Iterable[tuple[Table, ColumnElement[bool]]]:
    """Tables with what belongs to somebody, and which of their rows does."""
    streams = select(StreamRow.id).where(StreamRow.owner == user_id)
    groups = select(GroupRow.id).where(GroupRow.owner == user_id)
    yield _table(UserRow), UserRow.id == user_id
    for owned in (ChannelRow, StreamRow, VoiceRow, JobRow, GroupRow, UploadRow, CollectionRow):
        yield _table(owned), owned.owner == user_id
    yield _table(RecordingRow), RecordingRow.stream_id.in_(streams)
    yield _table(GroupMemberRow), GroupMemberRow.group_id.in_(groups)
    collections = select(CollectionRow.id).where(CollectionRow.owner == user_id)
    yield _table(CollectionItemRow), CollectionItemRow.collection_id.in_(collections)
    yield _table(CaptionEditRow), CaptionEditRow.stream_id.in_(streams)
    for theirs in (SessionRow, RefreshTokenRow, ApiKeyRow, PushSubscriptionRow, NotificationRow, ChatMessageRow):
        yield _table(theirs), theirs.user_id == user_id
    yield _table(InvitationRow), InvitationRow.created_by == user_id
    yield _table(FriendshipRow), or_(FriendshipRow.low == user_id, FriendshipRow.high == user_id)
    asked = or_(FriendRequestRow.sender == user_id, FriendRequestRow.recipient == user_id)
    yield _table(FriendRequestRow), asked
    yield _table(BlockRow), BlockRow.blocker == user_id
    yield _table(AuditRow), AuditRow.actor_id == user_id


def _table(row: type[Base]) -> Table:
    assert isinstance(row.__table__, Table)
    return row.__table__


def _plain(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(name): value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
