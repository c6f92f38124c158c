"""Browsers that are signed in. Of their tokens only the SHA-256 is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime

from sqlalchemy import delete, select, update

from server.store.database import Database
from server.store.people_records import User
from server.store.people_schema import SessionRow, UserRow
from server.store.users import user_of

CHUNK = 500
"""Ids that one query names."""


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that is signed in."""

    id: str
    user_id: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    agent: str
    """What the browser says of itself."""
    address: str


class SessionTable:
    """Sessions. Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, session: Session, token_hash: str, most: int) -> list[str]:
        """A new one; of more than `most` of one user, those not seen for longest go. Returns the ids of these."""
        values = {field.name: getattr(session, field.name) for field in fields(Session)}
        order = (SessionRow.seen_at.desc(), SessionRow.created_at.desc(), SessionRow.id)
        known = select(SessionRow.id).where(SessionRow.user_id == session.user_id).order_by(*order)
        async with self._database.write() as transaction:
            gone = list(await transaction.scalars(known.offset(most - 1)))
            await transaction.execute(delete(SessionRow).where(SessionRow.id.in_(gone)))
            transaction.add(SessionRow(**values, token_hash=token_hash))
        return gone

    async def find(self, token_hash: str) -> tuple[Session, User] | None:
        """Whose it is, expired or not; None where there is none."""
        query = select(SessionRow, UserRow).join(UserRow, SessionRow.user_id == UserRow.id)
        async with self._database.read() as transaction:
            row = (await transaction.execute(query.where(SessionRow.token_hash == token_hash))).first()
        return (_session(row[0]), user_of(row[1])) if row is not None else None

    async def seen(self, session_id: str, at: datetime, expires_at: datetime) -> None:
        values = {"seen_at": at, "expires_at": expires_at}
        async with self._database.write() as transaction:
            await transaction.execute(update(SessionRow).where(SessionRow.id == session_id).values(**values))

    async def of_user(self, user_id: str, now: datetime) -> list[Session]:
        """Those that have not expired, the newest first."""
        mine = (SessionRow.user_id == user_id, SessionRow.expires_at > now)
        async with self._database.read() as transaction:
            rows = await transaction.scalars(select(SessionRow).where(*mine).order_by(SessionRow.created_at.desc()))
            return [_session(row) for row in rows]

    async def remove(self, user_id: str, session_id: str) -> bool:
        """Whether there was one."""
        ended = delete(SessionRow).where(SessionRow.id == session_id, SessionRow.user_id == user_id)
        async with self._database.write() as transaction:
            return await transaction.scalar(ended.returning(SessionRow.id)) is not None

    async def remove_all(self, user_id: str, but: str = "") -> list[str]:
        """All of a user, but one; the ids of those that went."""
        ended = delete(SessionRow).where(SessionRow.user_id == user_id, SessionRow.id != but)
        async with self._database.write() as transaction:
            return list(await transaction.scalars(ended.returning(SessionRow.id)))

    async def good(self, session_ids: Sequence[str], now: datetime) -> set[str]:
        """Those that hold: not ended, not expired, of people who are let in."""
        found: set[str] = set()
        query = select(SessionRow.id).join(UserRow, SessionRow.user_id == UserRow.id)
        query = query.where(UserRow.disabled_at.is_(None), SessionRow.expires_at > now)
        async with self._database.read() as transaction:
            for start in range(0, len(session_ids), CHUNK):
                some = SessionRow.id.in_(session_ids[start : start + CHUNK])
                found.update(await transaction.scalars(query.where(some)))
        return found

    async def purge(self, now: datetime) -> None:
        """Forget those that have expired."""
        async with self._database.write() as transaction:
            await transaction.execute(delete(SessionRow).where(SessionRow.expires_at <= now))


def _session(row: SessionRow) -> Session:
    return Session(**{field.name: getattr(row, field.name) for field in fields(Session)})
