"""Who is whose friend, who would like to be, and who wants nothing to do with whom."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Select,
    String,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from server.errors import Conflict, NotFound
from server.store.database import Database
from server.store.listing import Listing, Names, Order
from server.store.names import LAST
from server.store.paging import MAX_PAGE, from_name_cursor, to_name_cursor
from server.store.people_records import Asked, Circle, Profile, Relation
from server.store.people_schema import (
    BanRow,
    BlockRow,
    FriendRequestRow,
    FriendshipRow,
    GroupMemberRow,
    GroupRow,
    UserRow,
    UserWordRow,
)
from server.store.records import Page
from server.store.schema import ChannelRow

MAX_FRIENDS = 1_000
"""Of one person: the list is sent whole to every page that begins."""
MAX_SENT = 100
"""Requests of one person that wait for an answer."""
MAX_RECEIVED = 1_000
"""Requests that wait for the answer of one person."""
MAX_BLOCKS = 1_000
"""People whom one person blocks."""
MAX_FOUND = 20
"""People that a search shows."""

Id = str | ColumnElement[str] | InstrumentedAttribute[str]
"""Of a user, or where it stands."""


class FriendTable:
    """Friendships, requests and blocks. Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # ---- who knows whom

    async def circle(self, user_id: str) -> Circle:
        """Whom somebody knows and what they are kept out of; one query."""
        parts = union_all(
            select(literal("friend"), FriendshipRow.high).where(FriendshipRow.low == user_id),
            select(literal("friend"), FriendshipRow.low).where(FriendshipRow.high == user_id),
            select(literal("group"), GroupMemberRow.group_id).where(GroupMemberRow.user_id == user_id),
            select(literal("barred"), BlockRow.blocked).where(BlockRow.blocker == user_id),
            select(literal("barred"), BlockRow.blocker).where(BlockRow.blocked == user_id),
            select(literal("ban"), BanRow.channel_id).where(BanRow.user_id == user_id),
        )
        found: dict[str, set[str]] = {"friend": set(), "group": set(), "barred": set(), "ban": set()}
        async with self._database.read() as session:
            for kind, subject in await session.execute(parts):
                found[kind].add(subject)
        return Circle(*(frozenset(found[kind]) for kind in ("friend", "group", "barred", "ban")))

    async def profiles(self, viewer: str, ids: Collection[str]) -> dict[str, Profile]:
        """Those of some people whom `viewer` may know of; one query."""
        if not ids:
            return {}
        async with self._database.read() as session:
            rows = await session.execute(_profiles(viewer).where(UserRow.id.in_(ids)))
            return {row.id: _profile(row) for row in rows}

    async def profile(self, viewer: str, user_id: str) -> Profile:
        """Raises NotFound, for whoever blocks `viewer` too."""
        found = (await self.profiles(viewer, [user_id])).get(user_id)
        if found is None:
            raise _nobody()
        return found

    async def search(self, viewer: str, beginning: str, limit: int = MAX_FOUND) -> list[Profile]:
        """People by the folded beginning of a name, in the order of names; nobody blocked either way."""
        query = (
            _profiles(viewer)
            .join(UserWordRow, UserWordRow.user_id == UserRow.id)
            .where(UserWordRow.word >= beginning, UserWordRow.word < beginning + LAST)
            .where(UserRow.id != viewer, ~_blocks(viewer, UserRow.id))
            .order_by(UserWordRow.word, UserWordRow.user_id)
            .limit(4 * limit)  # several words of one person may begin so
        )
        async with self._database.read() as session:
            found = {row.id: _profile(row) for row in await session.execute(query)}
        return list(found.values())[:limit]

    async def friends(self, viewer: str, *, limit: int = MAX_PAGE, cursor: str | None = None) -> Page[Profile]:
        """By the name that they sign in with; two queries."""
        given = {"viewer": viewer}
        return await self._database.ask(lambda connection: FRIENDS.page(connection, given, limit=limit, cursor=cursor))

    async def requests(self, viewer: str) -> tuple[list[Profile], list[Profile]]:
        """Who asks to be a friend, and who has been asked; newest first, one query."""
        received = and_(FriendRequestRow.recipient == viewer, FriendRequestRow.sender == UserRow.id)
        sent = and_(FriendRequestRow.sender == viewer, FriendRequestRow.recipient == UserRow.id)
        either = union_all(
            *(
                _profiles(viewer).add_columns(FriendRequestRow.created_at.label("at")).join(FriendRequestRow, condition)
                for condition in (received, sent)
            )
        )
        async with self._database.read() as session:
            rows = sorted(await session.execute(either), key=lambda row: row.at, reverse=True)
        found = [_profile(row) for row in rows]
        return (
            [profile for profile in found if profile.relation is Relation.ASKS],
            [profile for profile in found if profile.relation is Relation.REQUESTED],
        )

    async def blocks(self, viewer: str) -> list[Profile]:
        """Whom somebody blocks, by name; also those who block them in turn, else they could never be let go."""
        query = (
            _profiles(viewer, shown=False)
            .join(BlockRow, and_(BlockRow.blocker == viewer, BlockRow.blocked == UserRow.id))
            .order_by(UserRow.name)
        )
        async with self._database.read() as session:
            return [_profile(row) for row in await session.execute(query)]

    # ---- requests

    async def ask(self, sender: str, recipient: str, now: datetime) -> Asked:
        """Ask to be a friend; where the other has asked already, both are friends at once.

        Raises NotFound where there is nobody, or somebody who blocks the sender; Conflict where the sender blocks the
        other (`blocked`), or one of them has too many friends or requests.
        """
        async with self._database.write() as session:
            await _hold(session, sender, recipient)
            if await session.get(BlockRow, (recipient, sender)):
                raise _nobody()
            if await session.get(BlockRow, (sender, recipient)):
                raise Conflict("You have blocked this person.", code="blocked")
            if await session.get(FriendshipRow, _pair(sender, recipient)):
                return Asked.ALREADY
            if await session.get(FriendRequestRow, (recipient, sender)):
                await _befriend(session, sender, recipient, now)
                return Asked.FRIENDS
            if await session.get(FriendRequestRow, (sender, recipient)):
                return Asked.PENDING
            await _check_requests(session, sender, recipient)
            session.add(FriendRequestRow(sender=sender, recipient=recipient, created_at=now))
            return Asked.SENT

    async def accept(self, recipient: str, sender: str, now: datetime) -> bool:
        """Become friends with who has asked; False where both are already.

        Raises NotFound where nobody asks (any more), Conflict where one of them has too many friends.
        """
        async with self._database.write() as session:
            await _hold(session, recipient, sender)
            if await session.get(FriendshipRow, _pair(sender, recipient)):
                return False
            if await session.get(FriendRequestRow, (sender, recipient)) is None:
                raise NotFound("This person does not ask (any more).", code="unknown-request")
            await _befriend(session, sender, recipient, now)
            return True

    async def withdraw(self, sender: str, recipient: str) -> bool:
        """Take a request away, whoever of both wants it; whether there was one."""
        gone = delete(FriendRequestRow).where(
            FriendRequestRow.sender == sender, FriendRequestRow.recipient == recipient
        )
        async with self._database.write() as session:
            return await session.scalar(gone.returning(FriendRequestRow.sender)) is not None

    async def part(self, one: str, other: str) -> bool:
        """End a friendship; both leave the groups of the other. Whether there was one."""
        async with self._database.write() as session:
            return await _part(session, one, other)

    # ---- blocks

    async def block(self, blocker: str, blocked: str, now: datetime) -> bool:
        """Want nothing to do with somebody: no friendship, no requests, no groups. Whether they were friends.

        Raises NotFound where there is nobody, or somebody who blocks the blocker; Conflict where there are too many.
        """
        async with self._database.write() as session:
            await _hold(session, blocker, blocked)
            if await session.get(BlockRow, (blocker, blocked)):
                return False
            if await session.get(BlockRow, (blocked, blocker)):
                raise _nobody()
            number = await session.scalar(select(func.count()).where(BlockRow.blocker == blocker))
            if (number or 0) >= MAX_BLOCKS:
                raise Conflict(f"{MAX_BLOCKS} blocked people are the most.", code="too-many-blocks")
            were_friends = await _part(session, blocker, blocked)
            await session.execute(delete(FriendRequestRow).where(_between(blocker, blocked)))
            session.add(BlockRow(blocker=blocker, blocked=blocked, created_at=now))
            return were_friends

    async def unblock(self, blocker: str, blocked: str) -> bool:
        """Whether they were blocked. They do not become friends again."""
        gone = delete(BlockRow).where(BlockRow.blocker == blocker, BlockRow.blocked == blocked)
        async with self._database.write() as session:
            return await session.scalar(gone.returning(BlockRow.blocker)) is not None


def _pair(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one < other else (other, one)


def _nobody() -> NotFound:
    return NotFound("There is no such person.", code="unknown-person")


async def _hold(session: AsyncSession, one: str, other: str) -> None:
    """See that both are there, and that nothing changes between them meanwhile. Raises NotFound."""
    # SQLite has one writer at a time anyway, and leaves FOR UPDATE out.
    both = select(UserRow.id).where(UserRow.id.in_((one, other)), UserRow.disabled_at.is_(None))
    if len(list(await session.scalars(both.order_by(UserRow.id).with_for_update()))) != 2:
        raise _nobody()


async def _befriend(session: AsyncSession, one: str, other: str, now: datetime) -> None:
    for user_id in (one, other):
        friends = _friends_of(user_id).subquery()
        if (await session.scalar(select(func.count()).select_from(friends)) or 0) >= MAX_FRIENDS:
            raise Conflict(f"{MAX_FRIENDS} friends are the most that one can have.", code="too-many-friends")
    await session.execute(delete(FriendRequestRow).where(_between(one, other)))
    low, high = _pair(one, other)
    session.add(FriendshipRow(low=low, high=high, created_at=now))


async def _check_requests(session: AsyncSession, sender: str, recipient: str) -> None:
    sent = await session.scalar(select(func.count()).where(FriendRequestRow.sender == sender)) or 0
    if sent >= MAX_SENT:
        raise Conflict(f"{MAX_SENT} requests wait for an answer: cancel one first.", code="too-many-requests-sent")
    received = await session.scalar(select(func.count()).where(FriendRequestRow.recipient == recipient)) or 0
    if received >= MAX_RECEIVED:
        raise Conflict("This person has too many requests to answer just now.", code="too-many-requests-received")


async def _part(session: AsyncSession, one: str, other: str) -> bool:
    low, high = _pair(one, other)
    gone = delete(FriendshipRow).where(FriendshipRow.low == low, FriendshipRow.high == high)
    found = await session.scalar(gone.returning(FriendshipRow.low))
    for owner, member in ((one, other), (other, one)):
        groups = select(GroupRow.id).where(GroupRow.owner == owner)
        await session.execute(
            delete(GroupMemberRow).where(GroupMemberRow.user_id == member, GroupMemberRow.group_id.in_(groups))
        )
    return found is not None


def _between(one: str, other: str) -> ColumnElement[bool]:
    return or_(
        and_(FriendRequestRow.sender == one, FriendRequestRow.recipient == other),
        and_(FriendRequestRow.sender == other, FriendRequestRow.recipient == one),
    )


def _friends_of(user_id: Id) -> CompoundSelect[str]:
    return union_all(
        select(FriendshipRow.high).where(FriendshipRow.low == user_id),
        select(FriendshipRow.low).where(FriendshipRow.high == user_id),
    )


def _blocks(blocker: Id, blocked: Id) -> ColumnElement[bool]:
    return _there_is(BlockRow.blocker == blocker, BlockRow.blocked == blocked)


def _there_is(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    # Of the query around it only the person is meant, even where that looks at the same table.
    return exists().where(*conditions).correlate(UserRow)


def _shown(viewer: Id) -> ColumnElement[bool]:
    """Who is there and does not block `viewer`."""
    return and_(UserRow.disabled_at.is_(None), ~_blocks(UserRow.id, viewer))


def _profiles(viewer: Id, *, shown: bool = True) -> Select[*tuple[Any, ...]]:
    """People as `viewer` sees them; by default those whom they may know of."""
    asked = _there_is(FriendRequestRow.sender == viewer, FriendRequestRow.recipient == UserRow.id)
    asks = _there_is(FriendRequestRow.sender == UserRow.id, FriendRequestRow.recipient == viewer)
    friend = or_(
        _there_is(FriendshipRow.low == viewer, FriendshipRow.high == UserRow.id),
        _there_is(FriendshipRow.low == UserRow.id, FriendshipRow.high == viewer),
    )
    relation = case(
        (UserRow.id == viewer, Relation.SELF.value),
        (friend, Relation.FRIEND.value),
        (_blocks(viewer, UserRow.id), Relation.BLOCKED.value),
        (asked, Relation.REQUESTED.value),
        (asks, Relation.ASKS.value),
        else_=Relation.NONE.value,
    )
    channel = (
        select(ChannelRow.slug)
        .where(ChannelRow.owner == UserRow.id)
        .order_by(ChannelRow.created_at, ChannelRow.id)
        .limit(1)
        .scalar_subquery()
    )
    columns = (UserRow.id, UserRow.name, UserRow.display_name, UserRow.bio, UserRow.avatar_at)
    query = select(*columns, channel.label("channel"), relation.label("relation"))
    return query.where(_shown(viewer)) if shown else query


def _friends(_given: Names) -> Select[Any]:
    viewer = bindparam("viewer", type_=String())
    return _profiles(viewer).where(UserRow.id.in_(_friends_of(viewer)))


def _profile(row: Any) -> Profile:
    return Profile(row.id, row.name, row.display_name, row.bio, row.avatar_at, row.channel, Relation(row.relation))


FRIENDS = Listing(_friends, {"name": Order((UserRow.name,), False, to_name_cursor, from_name_cursor)}, _profile)
"""Of one person."""
