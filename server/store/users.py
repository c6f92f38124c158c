"""Who has an account, and the invitations that let somebody make one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, func, or_, select, text, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.errors import Conflict, NotAllowed, NotFound
from server.store.database import Database
from server.store.ids import MAX_SLUG, new_id
from server.store.names import search_words
from server.store.paging import MAX_PAGE, count, from_cursor, to_cursor
from server.store.people_records import User
from server.store.people_schema import InvitationRow, UserRow, UserWordRow
from server.store.records import Channel, Page
from server.store.schema import ChannelRow, JobRow, StreamRow, VoiceRow

GONE = ""
"""The password of whoever is leaving: no hash, so that nobody signs in with it; and how they are found again."""
OWNED = (ChannelRow, StreamRow, VoiceRow, JobRow)
"""Tables whose rows name their owner."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user with the hash of the password."""

    user: User
    password: str


class UserTable:
    """Users. Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(
        self, user: User, password: str, channel: Channel, *, invitation: str | None = None, now: datetime
    ) -> None:
        """A new user with a channel; `channel.slug` is what its address begins with, a free one is taken.

        `invitation` is the hash of one, which is used up. Raises Conflict where the name or the e-mail address is
        taken, NotAllowed "invitation" where that invitation lets nobody in; nothing is written then.
        """
        async with self._database.write() as session:
            if invitation is not None:  # whoever has none is not told which names and addresses are taken
                await _check_invitation(session, invitation, now)
            await _check_free(session, user)
            session.add(_row(user, password))
            await session.flush()
            _write_words(session, user)
            if invitation is not None:
                await _use(session, invitation, user.id, now)
            session.add(ChannelRow(**asdict(channel) | {"slug": await _free_slug(session, channel.slug)}))

    async def add_first(self, user: User, password: str, channel: Channel, inherit: str) -> None:
        """The first user of all, who gets everything that belonged to the owner `inherit`.

        `channel` is made where no channel was inherited. Raises Conflict "first-exists" where there are users.
        """
        async with self._database.write() as session:
            if session.get_bind().dialect.name == "postgresql":
                await session.execute(text("LOCK TABLE users IN EXCLUSIVE MODE"))
            if await count(session, select(UserRow.id)):
                raise Conflict("There is an account already. Sign in, or ask to be let in.", code="first-exists")
            session.add(_row(user, password))
            await session.flush()
            _write_words(session, user)
            await _hand_over(session, inherit, user)
            if not await count(session, select(ChannelRow.id).where(ChannelRow.owner == user.id)):
                session.add(ChannelRow(**asdict(channel) | {"slug": await _free_slug(session, channel.slug)}))

    async def adopt(self, owner: str) -> None:
        """Give what belongs to `owner` to the oldest administrator, where there is one."""
        query = select(UserRow).where(UserRow.administrator).order_by(UserRow.created_at, UserRow.id).limit(1)
        async with self._database.write() as session:
            row = await session.scalar(query)
            if row is not None:
                await _hand_over(session, owner, user_of(row))

    async def names(self, user_ids: Sequence[str]) -> dict[str, str]:
        """What people are called, by id; without those who are not there."""
        query = select(UserRow.id, UserRow.display_name).where(UserRow.id.in_(user_ids))
        async with self._database.read() as session:
            return {row.id: row.display_name for row in await session.execute(query)}

    async def count(self) -> int:
        async with self._database.read() as session:
            return await session.scalar(select(func.count()).select_from(UserRow)) or 0

    async def get(self, user_id: str) -> User:
        """Raises NotFound."""
        async with self._database.read() as session:
            return _found(await session.get(UserRow, user_id))

    async def by_name(self, name: str) -> User:
        """By the name that one signs in with. Raises NotFound."""
        async with self._database.read() as session:
            return _found(await session.scalar(select(UserRow).where(UserRow.name == name)))

    async def credentials(self, *, name: str = "", email: str = "", user_id: str = "") -> Credentials | None:
        """Of whoever has that name, e-mail address or id; None where nobody has."""
        column, value = (UserRow.id, user_id) if user_id else (UserRow.name, name) if name else (UserRow.email, email)
        async with self._database.read() as session:
            row = await session.scalar(select(UserRow).where(column == value)) if value else None
        return Credentials(user_of(row), row.password) if row is not None else None

    async def change(self, user_id: str, **values: Any) -> User:
        """Set columns of one user and return them; their channels go by another display name as well.

        Raises NotFound, Conflict where an e-mail address is taken.
        """
        async with self._database.write() as session:
            if values.get("email") is not None:
                taken = select(UserRow.id).where(UserRow.email == values["email"], UserRow.id != user_id)
                if await session.scalar(taken) is not None:
                    raise _taken()
            row = await session.get(UserRow, user_id)
            if row is not None and "display_name" in values:
                named = update(ChannelRow).where(ChannelRow.owner == user_id, ChannelRow.host == row.display_name)
                await session.execute(named.values(host=values["display_name"]))
                await session.execute(delete(UserWordRow).where(UserWordRow.user_id == user_id))
                _write_words(session, replace(user_of(row), display_name=values["display_name"]))
            await session.execute(update(UserRow).where(UserRow.id == user_id).values(**values))
        return await self.get(user_id)

    async def change_rights(self, user_id: str, **values: Any) -> User:
        """Set `administrator` or `disabled_at` of one user and return them.

        Raises NotFound, Conflict "last-administrator" where nobody would be left who may administer.
        """
        async with self._database.write() as session:
            before = _found(await session.get(UserRow, user_id))
            await session.execute(update(UserRow).where(UserRow.id == user_id).values(**values))
            left = select(UserRow.id).where(UserRow.administrator, UserRow.disabled_at.is_(None)).limit(1)
            if before.administrator and await session.scalar(left) is None:
                raise Conflict("Make somebody else an administrator first.", code="last-administrator")
        return await self.get(user_id)

    async def change_password(self, user_id: str, before: str, password: str) -> bool:
        """Set the hash where it still is `before`; whether it was."""
        changed = update(UserRow).where(UserRow.id == user_id, UserRow.password == before).values(password=password)
        async with self._database.write() as session:
            return await session.scalar(changed.returning(UserRow.id)) is not None

    async def avatar(self, user_id: str) -> bytes | None:
        """The picture; None where there is none, or no such user."""
        async with self._database.read() as session:
            return await session.scalar(select(UserRow.avatar).where(UserRow.id == user_id))

    async def channel(self, user_id: str) -> Channel | None:
        """The oldest channel of a user, which is the one they begin with."""
        query = select(ChannelRow).where(ChannelRow.owner == user_id).order_by(ChannelRow.created_at, ChannelRow.id)
        async with self._database.read() as session:
            row = await session.scalar(query.limit(1))
        return Channel(**_values(row)) if row is not None else None

    async def page(self, *, limit: int = MAX_PAGE, cursor: str | None = None, search: str = "") -> Page[User]:
        """Everybody, the oldest account first; of whose name or e-mail address `search` is a part."""
        query = select(UserRow).where(UserRow.password != GONE)
        if search:
            part = search.casefold()
            query = query.where(
                or_(
                    UserRow.name.contains(part, autoescape=True),
                    UserRow.display_name.icontains(search, autoescape=True),
                    UserRow.email.contains(part, autoescape=True),
                )
            )
        async with self._database.read() as session:
            total = await count(session, query.with_only_columns(UserRow.id))
            if cursor is not None:
                query = query.where(tuple_(UserRow.created_at, UserRow.id) > from_cursor(cursor))
            query = query.order_by(UserRow.created_at, UserRow.id).limit(limit + 1)
            rows = list(await session.scalars(query))
        after = to_cursor(rows[limit - 1].created_at, rows[limit - 1].id) if len(rows) > limit else None
        return Page([user_of(row) for row in rows[:limit]], total, after)


def _write_words(session: AsyncSession, user: User) -> None:
    """What others find somebody by."""
    words = search_words(user.name, user.display_name)
    session.add_all(UserWordRow(word=word, user_id=user.id) for word in words)


async def _check_free(session: AsyncSession, user: User) -> None:
    same = UserRow.name == user.name
    if user.email is not None:
        same = or_(same, UserRow.email == user.email)
    if await session.scalar(select(UserRow.id).where(same)) is not None:
        raise _taken()


def _taken() -> Conflict:
    return Conflict("This name or e-mail address is taken.", code="name-taken")


async def _check_invitation(session: AsyncSession, token_hash: str, now: datetime) -> None:
    """Raises NotAllowed "invitation"."""
    if await session.scalar(select(InvitationRow.id).where(*_good(token_hash, now))) is None:
        raise _no_invitation()


def _good(token_hash: str, now: datetime) -> tuple[ColumnElement[bool], ...]:
    return InvitationRow.token_hash == token_hash, InvitationRow.used_at.is_(None), InvitationRow.expires_at > now


def _no_invitation() -> NotAllowed:
    return NotAllowed("This invitation was used, has expired or was taken back.", code="invitation")


async def _use(session: AsyncSession, token_hash: str, user_id: str, now: datetime) -> None:
    """Use an invitation up: of two who come at once, one is let in."""
    used = (
        update(InvitationRow)
        .where(*_good(token_hash, now))
        .values(used_at=now, used_by=user_id)
        .returning(InvitationRow.id)
    )
    if await session.scalar(used) is None:
        raise _no_invitation()


async def _free_slug(session: AsyncSession, wanted: str) -> str:
    """`wanted`, or with a number, or with something random, where that is taken."""
    tried = [wanted, *(f"{wanted[: MAX_SLUG - 4].rstrip('-')}-{number}" for number in range(2, 100))]
    known = set(await session.scalars(select(ChannelRow.slug).where(ChannelRow.slug.in_(tried))))
    free = [slug for slug in tried if slug not in known]
    return free[0] if free else f"{wanted[: MAX_SLUG - 13].rstrip('-')}-{new_id()}"


async def _hand_over(session: AsyncSession, owner: str, user: User) -> None:
    """What was `owner`'s is `user`'s; listeners see the new host's name on channels that were named after the old."""
    named = update(ChannelRow).where(ChannelRow.owner == owner, ChannelRow.name == ChannelRow.host)
    await session.execute(named.values(name=user.display_name))
    await session.execute(update(ChannelRow).where(ChannelRow.owner == owner).values(host=user.display_name))
    for table in OWNED:
        await session.execute(update(table).where(table.owner == owner).values(owner=user.id))


def _row(user: User, password: str) -> UserRow:
    values = {field.name: getattr(user, field.name) for field in fields(User)}
    values["preferences"] = dict(values["preferences"])
    return UserRow(**values, password=password)


def user_of(row: UserRow) -> User:
    """A row without its secrets."""
    return User(**{field.name: getattr(row, field.name) for field in fields(User)})


def _found(row: UserRow | None) -> User:
    if row is None or row.password == GONE:
        raise NotFound("There is no such person.", code="unknown-person")
    return user_of(row)


def _values(row: Any) -> Mapping[str, Any]:
    return {column.key: getattr(row, column.key) for column in row.__table__.columns}
