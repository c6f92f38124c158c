"""Groups: named lists of friends, each of one owner."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.errors import Conflict, NotFound
from server.store.database import Database
from server.store.ids import new_id
from server.store.people_records import Group
from server.store.people_schema import FriendshipRow, GroupMemberRow, GroupRow

MAX_GROUPS = 100
"""Of one owner."""


class GroupTable:
    """Groups. Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self, owner: str) -> list[Group]:
        """By name; two queries."""
        async with self._database.read() as session:
            rows = list(await session.scalars(select(GroupRow).where(GroupRow.owner == owner)))
            members: dict[str, list[str]] = {row.id: [] for row in rows}
            found = await session.execute(
                select(GroupMemberRow.group_id, GroupMemberRow.user_id)
                .where(GroupMemberRow.group_id.in_(select(GroupRow.id).where(GroupRow.owner == owner)))
                .order_by(GroupMemberRow.user_id)
            )
            for group_id, user_id in found:
                if group_id in members:
                    members[group_id].append(user_id)
        rows.sort(key=lambda row: row.name.casefold())
        return [_group(row, members[row.id]) for row in rows]

    async def get(self, group_id: str) -> Group:
        """Raises NotFound."""
        async with self._database.read() as session:
            row = _there(await session.get(GroupRow, group_id))
            return await _whole(session, row)

    async def add(self, owner: str, name: str, now: datetime) -> Group:
        """Raises Conflict: `group-name-taken`, `too-many-groups`."""
        async with self._database.write() as session:
            await _check_name(session, owner, name)
            number = await session.scalar(select(func.count()).where(GroupRow.owner == owner)) or 0
            if number >= MAX_GROUPS:
                raise Conflict(f"{MAX_GROUPS} groups are the most: delete one first.", code="too-many-groups")
            row = GroupRow(id=new_id(), owner=owner, name=name, created_at=now)
            session.add(row)
        return _group(row, [])

    async def rename(self, group_id: str, name: str) -> Group:
        """Raises NotFound, Conflict (`group-name-taken`)."""
        async with self._database.write() as session:
            row = _there(await session.get(GroupRow, group_id))
            await _check_name(session, row.owner, name, row.id)
            row.name = name
            return await _whole(session, row)

    async def forget(self, group_id: str) -> None:
        """Delete a group; its members stay friends."""
        async with self._database.write() as session:
            await session.execute(delete(GroupRow).where(GroupRow.id == group_id))

    async def include(self, group_id: str, user_id: str) -> bool:
        """Put a friend of its owner into a group; whether they were not in it. Raises NotFound."""
        async with self._database.write() as session:
            owner = _there(await session.get(GroupRow, group_id)).owner
            low, high = min(owner, user_id), max(owner, user_id)
            # Held, so that the friendship does not end while its end looks for groups to leave.
            friends = select(FriendshipRow.low).where(FriendshipRow.low == low, FriendshipRow.high == high)
            if await session.scalar(friends.with_for_update()) is None:
                raise NotFound("There is no such friend.", code="unknown-friend")
            if await session.get(GroupMemberRow, (group_id, user_id)) is not None:
                return False
            session.add(GroupMemberRow(group_id=group_id, user_id=user_id))
            return True

    async def exclude(self, group_id: str, user_id: str) -> bool:
        """Whether they were in it."""
        gone = delete(GroupMemberRow).where(GroupMemberRow.group_id == group_id, GroupMemberRow.user_id == user_id)
        async with self._database.write() as session:
            return await session.scalar(gone.returning(GroupMemberRow.user_id)) is not None


async def _check_name(session: AsyncSession, owner: str, name: str, own: str = "") -> None:
    """Compared here, because SQLite knows capital letters of ASCII only; an owner has few enough groups."""
    rows = await session.execute(select(GroupRow.id, GroupRow.name).where(GroupRow.owner == owner))
    if any(row_id != own and taken.casefold() == name.casefold() for row_id, taken in rows):
        raise Conflict(f"There is a group called {name} already.", code="group-name-taken")


async def _whole(session: AsyncSession, row: GroupRow) -> Group:
    query = select(GroupMemberRow.user_id).where(GroupMemberRow.group_id == row.id).order_by(GroupMemberRow.user_id)
    return _group(row, list(await session.scalars(query)))


def _there(row: GroupRow | None) -> GroupRow:
    if row is None:
        raise NotFound("There is no such group.", code="unknown-group")
    return row


def _group(row: GroupRow, members: list[str]) -> Group:
    return Group(row.id, row.owner, row.name, row.created_at, tuple(members))
