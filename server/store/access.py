"""Who may hear what, as it is written down: rules, the people and groups that they name, bans; and lists by them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Select,
    String,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from server.store.database import Database
from server.store.listing import Names
from server.store.people_records import Access, AccessRule, Ban, Sight, Thing
from server.store.people_schema import (
    AccessGrantRow,
    AccessRuleRow,
    ApiKeyRow,
    BanRow,
    BlockRow,
    FriendshipRow,
    GroupMemberRow,
    GroupRow,
    RefreshTokenRow,
    SessionRow,
    UserRow,
)
from server.store.schema import ChannelRow

DEFAULT = Access.FRIENDS
"""Of whoever has chosen nothing."""
PREFERENCE = "access"
"""Where a user's preferences keep it."""
MOST_GRANTS = 500
"""People and groups that one rule may name."""


class AccessTable:
    """Rules, grants and bans. Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def rules(self, things: Collection[Thing]) -> dict[Thing, AccessRule]:
        """The rule of each of `things`; in three queries at most, however many there are.

        A channel without one goes by what its owner has chosen for everything, and whatever else has none is private.
        """
        if not things:
            return {}
        async with self._database.read() as session:
            return await _rules(session, set(things))

    async def put(self, thing: Thing, rule: AccessRule) -> None:
        """Write down who may hear something, instead of what held before."""
        await self.put_all({thing: rule})

    async def put_all(self, rules: Mapping[Thing, AccessRule]) -> None:
        """The same for several at once, all or none."""
        async with self._database.write() as session:
            for thing, rule in rules.items():
                await forget_rules(session, [thing])
                kind, id_ = thing
                values = {"access": rule.access.value, "link_number": rule.link_number, "locked": rule.locked}
                await session.execute(insert(AccessRuleRow).values(kind=kind, id=id_, **values))
                named = [("user", found) for found in rule.people] + [("group", found) for found in rule.groups]
                if named:
                    rows = [
                        {"kind": kind, "id": id_, "subject_kind": subject, "subject_id": found}
                        for subject, found in sorted(named)
                    ]
                    await session.execute(insert(AccessGrantRow), rows)

    async def forget(self, things: Collection[Thing]) -> None:
        """What is gone, or never came to be, needs no rule."""
        async with self._database.write() as session:
            await forget_rules(session, things)

    async def people_there(self, ids: Collection[str]) -> set[str]:
        """Those of `ids` who have an account."""
        async with self._database.read() as session:
            return set(await session.scalars(select(UserRow.id).where(UserRow.id.in_(ids))))

    async def groups_of(self, owner: str, ids: Collection[str]) -> set[str]:
        """Those of `ids` that are groups of `owner`."""
        async with self._database.read() as session:
            return set(await session.scalars(select(GroupRow.id).where(GroupRow.owner == owner, GroupRow.id.in_(ids))))

    async def ban(self, channel_id: str, user_id: str, now: datetime) -> None:
        """Let somebody in no more; nothing new where they are banned already. Raises Conflict for nobody."""
        async with self._database.write() as session:
            if await session.get(BanRow, (channel_id, user_id)) is None:
                session.add(BanRow(channel_id=channel_id, user_id=user_id, created_at=now))

    async def lift_ban(self, channel_id: str, user_id: str) -> bool:
        """Whether they were banned."""
        lifted = delete(BanRow).where(BanRow.channel_id == channel_id, BanRow.user_id == user_id)
        async with self._database.write() as session:
            return await session.scalar(lifted.returning(BanRow.user_id)) is not None

    async def bans(self, channel_id: str) -> list[Ban]:
        """Whom a channel's owner lets in no more, the latest first."""
        query = (
            select(BanRow.user_id, UserRow.display_name, BanRow.created_at)
            .join(UserRow, UserRow.id == BanRow.user_id)
            .where(BanRow.channel_id == channel_id)
            .order_by(BanRow.created_at.desc(), BanRow.user_id)
        )
        async with self._database.read() as session:
            return [Ban(*row) for row in await session.execute(query)]

    async def alive(self, credentials: Collection[str], now: datetime) -> set[str]:
        """Those sessions, keys, families of tokens and stream keys that still hold, of people who may sign in."""
        wanted = sorted(credentials)
        streaming = [found.partition(":")[2] for found in wanted if ":" in found]
        unexpired = or_(ApiKeyRow.expires_at.is_(None), ApiKeyRow.expires_at > now)
        query = union_all(
            _active(SessionRow.id, SessionRow.user_id).where(SessionRow.id.in_(wanted), SessionRow.expires_at > now),
            _active(ApiKeyRow.id, ApiKeyRow.user_id).where(
                ApiKeyRow.id.in_(wanted), ApiKeyRow.revoked_at.is_(None), unexpired
            ),
            _active(RefreshTokenRow.family, RefreshTokenRow.user_id).where(
                RefreshTokenRow.family.in_(wanted),
                RefreshTokenRow.revoked_at.is_(None),
                RefreshTokenRow.expires_at > now,
            ),
            select(UserRow.id).where(
                UserRow.id.in_(streaming), UserRow.disabled_at.is_(None), UserRow.stream_key_hash.is_not(None)
            ),
        )
        good = await self._database.ask(lambda connection: set(connection.scalars(query)))
        return {found for found in wanted if found in good or (":" in found and found.partition(":")[2] in good)}


def _active(column: InstrumentedAttribute[str], user_id: InstrumentedAttribute[str]) -> Select[str]:
    """A column of rows that belong to somebody who may sign in."""
    return select(column).join(UserRow, UserRow.id == user_id).where(UserRow.disabled_at.is_(None))


async def _rules(session: AsyncSession, things: set[Thing]) -> dict[Thing, AccessRule]:
    ruled = select(AccessRuleRow).where(_among(things, AccessRuleRow.kind, AccessRuleRow.id))
    rows = {(row.kind, row.id): row for row in await session.scalars(ruled)}
    named: dict[Thing, dict[str, set[str]]] = defaultdict(lambda: {"user": set(), "group": set()})
    asking = [thing for thing, row in rows.items() if row.access in (Access.SELECTED, Access.GROUP)]
    if asking:
        grants = select(AccessGrantRow).where(_among(asking, AccessGrantRow.kind, AccessGrantRow.id))
        for grant in await session.scalars(grants):
            named[grant.kind, grant.id][grant.subject_kind].add(grant.subject_id)
    rules = {
        thing: AccessRule(
            Access(row.access),
            frozenset(named[thing]["user"]),
            frozenset(named[thing]["group"]),
            row.link_number,
            row.locked,
        )
        for thing, row in rows.items()
    }
    channels = {id_ for kind, id_ in things if kind == "channel" and ("channel", id_) not in rules}
    if channels:
        query = select(ChannelRow.id, _preferred()).outerjoin(UserRow, UserRow.id == ChannelRow.owner)
        for channel_id, preferred in await session.execute(query.where(ChannelRow.id.in_(channels))):
            rules["channel", channel_id] = AccessRule(Access(preferred))
    return {thing: rules.get(thing, AccessRule()) for thing in things}


def _among(
    things: Iterable[Thing], kind: InstrumentedAttribute[str], id_: InstrumentedAttribute[str]
) -> ColumnElement[bool]:
    """Rows of `things`. SQLite uses no index for pairs in a list, and reads the whole table."""
    ids: dict[str, list[str]] = defaultdict(list)
    for found, name in things:
        ids[found].append(name)
    return or_(*(and_(kind == found, id_.in_(names)) for found, names in ids.items()))


async def forget_rules(session: AsyncSession, things: Iterable[Thing]) -> None:
    """Rules of what is gone, as part of a larger change."""
    for kind, id_ in things:
        for row in (AccessGrantRow, AccessRuleRow):
            await session.execute(delete(row).where(row.kind == kind, row.id == id_))


def _preferred() -> ColumnElement[str]:
    """What the user in the row wants for everything that is theirs."""
    return func.coalesce(UserRow.preferences[PREFERENCE].as_string(), DEFAULT.value)


def sighted(sight: Sight | None, kind: str) -> dict[str, Any]:
    """What `seen` takes for its parameters; None for what is not given."""
    if sight is None:
        return {}
    return {
        "me": sight.user,
        "opened": sight.opened(kind) or None,
        "opened_channels": sight.opened("channel") or None,
    }


def seen(
    query: Select[Any],
    given: Names,
    kind: str,
    id_: InstrumentedAttribute[str],
    owner: InstrumentedAttribute[str],
    channel_id: InstrumentedAttribute[str],
) -> Select[Any]:
    """Of a query for things of one kind, what `me` may see: what `accounts.may_see` says, said in SQL.

    All of them where no `me` is given. `opened` and `opened_channels` are ids of what links have opened.
    """
    if "me" not in given:
        return query
    me = bindparam("me", type_=String())
    access: ColumnElement[str] | InstrumentedAttribute[str] = AccessRuleRow.access
    query = query.outerjoin(AccessRuleRow, and_(AccessRuleRow.kind == kind, AccessRuleRow.id == id_))
    if kind == "channel":
        query = query.outerjoin(UserRow, UserRow.id == owner)
        access = func.coalesce(AccessRuleRow.access, _preferred())
    friends = union_all(
        select(FriendshipRow.high).where(FriendshipRow.low == me),
        select(FriendshipRow.low).where(FriendshipRow.high == me),
    )
    barring = union_all(
        select(BlockRow.blocked).where(BlockRow.blocker == me), select(BlockRow.blocker).where(BlockRow.blocked == me)
    )
    granted = and_(AccessGrantRow.kind == kind, AccessGrantRow.id == id_)
    selected = select(AccessGrantRow.id).where(
        granted, AccessGrantRow.subject_kind == "user", AccessGrantRow.subject_id == me
    )
    grouped = (
        select(AccessGrantRow.id)
        .join(GroupMemberRow, GroupMemberRow.group_id == AccessGrantRow.subject_id)
        .where(granted, AccessGrantRow.subject_kind == "group", GroupMemberRow.user_id == me)
    )
    let_in = or_(
        access == Access.PUBLIC.value,
        and_(or_(access == Access.FRIENDS.value, access == Access.LINK.value), owner.in_(friends)),
        *(and_(access == Access.LINK.value, column.in_(opened)) for column, opened in _opened(given, id_, channel_id)),
        and_(access == Access.SELECTED.value, selected.exists()),
        and_(access == Access.GROUP.value, grouped.exists()),
    )
    unbarred = and_(owner.not_in(barring), channel_id.not_in(select(BanRow.channel_id).where(BanRow.user_id == me)))
    return query.where(or_(owner == me, and_(let_in, unbarred)))


def _opened(
    given: Names, id_: InstrumentedAttribute[str], channel_id: InstrumentedAttribute[str]
) -> Iterator[tuple[InstrumentedAttribute[str], BindParameter[Any]]]:
    for name, column in (("opened", id_), ("opened_channels", channel_id)):
        if name in given:
            yield column, bindparam(name, expanding=True, type_=String())
