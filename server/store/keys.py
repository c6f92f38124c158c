"""What programs prove themselves with: API keys, stream keys, refresh tokens. Only fingerprints of them are kept."""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from datetime import datetime

from sqlalchemy import CursorResult, Select, delete, func, or_, select, tuple_, update

from server.errors import Conflict, NotFound
from server.store.database import Database
from server.store.paging import MAX_PAGE, count, from_cursor, to_cursor
from server.store.people_records import ApiKey, RefreshToken, User
from server.store.people_schema import ApiKeyRow, RefreshTokenRow, UserRow
from server.store.records import Page
from server.store.users import user_of

MAX_KEYS = 50
"""API keys of one user."""
MAX_FAMILIES = 50
"""Programs that are signed in as one user; whoever signs in beyond that puts the oldest out."""


class KeyTable:
    """API keys, stream keys and refresh tokens. Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # API keys

    async def add_key(self, key: ApiKey, token_hash: str) -> None:
        """Raises Conflict where its user has too many."""
        async with self._database.write() as session:
            if await count(session, _keys(key.user_id).with_only_columns(ApiKeyRow.id)) >= MAX_KEYS:
                raise Conflict(f"{MAX_KEYS} keys are the most: delete one first.", code="too-many-keys")
            values = asdict(key) | {"scopes": list(key.scopes)}
            session.add(ApiKeyRow(**values, token_hash=token_hash))

    async def key(self, key_id: str) -> ApiKey:
        """One that holds. Raises NotFound."""
        async with self._database.read() as session:
            row = await session.get(ApiKeyRow, key_id)
        if row is None or row.revoked_at is not None:
            raise NotFound("There is no such key.", code="unknown-key")
        return _key(row)

    async def keys(self, user_id: str, *, limit: int = MAX_PAGE, cursor: str | None = None) -> Page[ApiKey]:
        """The newest first."""
        query = _keys(user_id)
        async with self._database.read() as session:
            total = await count(session, query.with_only_columns(ApiKeyRow.id))
            if cursor is not None:
                query = query.where(tuple_(ApiKeyRow.created_at, ApiKeyRow.id) < from_cursor(cursor))
            query = query.order_by(ApiKeyRow.created_at.desc(), ApiKeyRow.id.desc()).limit(limit + 1)
            rows = list(await session.scalars(query))
        after = to_cursor(rows[limit - 1].created_at, rows[limit - 1].id) if len(rows) > limit else None
        return Page([_key(row) for row in rows[:limit]], total, after)

    async def replace_key(self, key_id: str, token_hash: str, hint: str) -> ApiKey:
        """The same key opened by another text from now on. Raises NotFound."""
        changed = update(ApiKeyRow).where(ApiKeyRow.id == key_id, ApiKeyRow.revoked_at.is_(None))
        async with self._database.write() as session:
            await session.execute(changed.values(token_hash=token_hash, hint=hint, used_at=None))
        return await self.key(key_id)

    async def forget_key(self, key_id: str) -> None:
        """It opens nothing any more."""
        async with self._database.write() as session:
            await session.execute(delete(ApiKeyRow).where(ApiKeyRow.id == key_id))

    async def key_used(self, key_id: str, now: datetime) -> None:
        """Note when a key was used last."""
        async with self._database.write() as session:
            await session.execute(update(ApiKeyRow).where(ApiKeyRow.id == key_id).values(used_at=now))

    async def holder_of_key(self, token_hash: str, now: datetime) -> tuple[ApiKey, User] | None:
        """The key and whose it is; None where it does not hold, or its user is kept out."""
        query = (
            select(ApiKeyRow, UserRow)
            .join(UserRow, ApiKeyRow.user_id == UserRow.id)
            .where(ApiKeyRow.token_hash == token_hash, ApiKeyRow.revoked_at.is_(None), UserRow.disabled_at.is_(None))
            .where(or_(ApiKeyRow.expires_at.is_(None), ApiKeyRow.expires_at > now))
        )
        async with self._database.read() as session:
            found = (await session.execute(query)).first()
        return (_key(found[0]), user_of(found[1])) if found is not None else None

    # Stream keys

    async def set_stream_key(self, user_id: str, token_hash: str | None, hint: str | None, now: datetime) -> None:
        """Another one, or none; the one before opens nothing any more."""
        values = {"stream_key_hash": token_hash, "stream_key_hint": hint}
        async with self._database.write() as session:
            changed = update(UserRow).where(UserRow.id == user_id)
            await session.execute(changed.values(**values, stream_key_at=now if token_hash else None))

    async def stream_key(self, user_id: str) -> tuple[str, datetime] | None:
        """How a user's stream key begins and since when there is one; None where there is none."""
        columns = select(UserRow.stream_key_hint, UserRow.stream_key_at).where(UserRow.id == user_id)
        async with self._database.read() as session:
            found = (await session.execute(columns)).first()
        return (found[0] or "", found[1]) if found is not None and found[1] is not None else None

    async def holder_of_stream_key(self, token_hash: str) -> User | None:
        """Whose it is; None where it opens nothing, or its user is kept out."""
        query = select(UserRow).where(UserRow.stream_key_hash == token_hash, UserRow.disabled_at.is_(None))
        async with self._database.read() as session:
            row = await session.scalar(query)
        return user_of(row) if row is not None else None

    # Refresh tokens

    async def begin_family(self, token: RefreshToken, token_hash: str, now: datetime) -> list[str]:
        """The first token of a family. Returns the families that had to go for it."""
        newest = func.max(RefreshTokenRow.created_at).desc()
        query = _families(token.user_id, now).order_by(newest, RefreshTokenRow.family).offset(MAX_FAMILIES - 1)
        async with self._database.write() as session:
            gone = list(await session.scalars(query))
            ended = update(RefreshTokenRow).where(RefreshTokenRow.family.in_(gone))
            await session.execute(ended.values(revoked_at=now))
            session.add(RefreshTokenRow(**_values(token), token_hash=token_hash))
        return gone

    async def use_refresh_token(
        self, token_hash: str, successor_hash: str, now: datetime, expires_at: datetime
    ) -> tuple[RefreshToken, User] | RefreshToken | None:
        """Use a token up and put its successor, which expires then, in its place.

        The successor and whose it is; the token alone where it was used before, whose whole family is revoked by that;
        None where it does not hold. Of two who use one token at once, one is too late.
        """
        query = (
            select(RefreshTokenRow, UserRow)
            .join(UserRow, RefreshTokenRow.user_id == UserRow.id)
            .where(RefreshTokenRow.token_hash == token_hash, RefreshTokenRow.revoked_at.is_(None))
            .with_for_update(of=RefreshTokenRow)
        )
        async with self._database.write() as session:
            found = (await session.execute(query)).first()
            if found is None:
                return None
            row, user = found
            token = _refresh_token(row)
            if row.used_at is not None:
                family = update(RefreshTokenRow).where(RefreshTokenRow.family == row.family)
                await session.execute(family.values(revoked_at=now))
                return token
            if row.expires_at <= now or user.disabled_at is not None:
                return None
            row.used_at = now
            successor = replace(token, expires_at=expires_at)
            session.add(RefreshTokenRow(**_values(successor), token_hash=successor_hash))
        return successor, user_of(user)

    async def family_of(self, token_hash: str) -> RefreshToken | None:
        """The token, whatever has become of it."""
        async with self._database.read() as session:
            row = await session.get(RefreshTokenRow, token_hash)
        return _refresh_token(row) if row is not None else None

    async def holder_of_family(self, family: str, user_id: str, now: datetime) -> User | None:
        """Whose a family of tokens is; None where it was revoked, or its user is kept out."""
        alive = select(RefreshTokenRow.token_hash).where(
            RefreshTokenRow.family == family,
            RefreshTokenRow.user_id == user_id,
            RefreshTokenRow.revoked_at.is_(None),
            RefreshTokenRow.expires_at > now,
        )
        query = select(UserRow).where(UserRow.id == user_id, UserRow.disabled_at.is_(None), alive.exists())
        async with self._database.read() as session:
            row = await session.scalar(query)
        return user_of(row) if row is not None else None

    async def families(self, user_id: str, now: datetime) -> list[RefreshToken]:
        """The newest token of each family that holds, the family that was used last first."""
        mine = (RefreshTokenRow.user_id == user_id, RefreshTokenRow.revoked_at.is_(None))
        query = select(RefreshTokenRow).where(
            *mine, RefreshTokenRow.used_at.is_(None), RefreshTokenRow.expires_at > now
        )
        async with self._database.read() as session:
            rows = await session.scalars(query.order_by(RefreshTokenRow.expires_at.desc()))
            return [_refresh_token(row) for row in rows]

    async def revoke_families(self, user_id: str, now: datetime, family: str | None = None) -> bool:
        """Revoke one family of a user, or all of them; whether there was one that held."""
        ended = update(RefreshTokenRow).where(RefreshTokenRow.user_id == user_id, RefreshTokenRow.revoked_at.is_(None))
        if family is not None:
            ended = ended.where(RefreshTokenRow.family == family)
        async with self._database.write() as session:
            result = await session.execute(ended.values(revoked_at=now))
        assert isinstance(result, CursorResult)
        return bool(result.rowcount)

    async def purge_refresh_tokens(self, now: datetime) -> None:
        """Forget those that have expired."""
        async with self._database.write() as session:
            await session.execute(delete(RefreshTokenRow).where(RefreshTokenRow.expires_at <= now))


def _keys(user_id: str) -> Select[ApiKeyRow]:
    return select(ApiKeyRow).where(ApiKeyRow.user_id == user_id, ApiKeyRow.revoked_at.is_(None))


def _families(user_id: str, now: datetime) -> Select[str]:
    mine = (RefreshTokenRow.user_id == user_id, RefreshTokenRow.revoked_at.is_(None), RefreshTokenRow.expires_at > now)
    return select(RefreshTokenRow.family).where(*mine).group_by(RefreshTokenRow.family)


def _values(token: RefreshToken) -> dict[str, object]:
    return asdict(token) | {"scopes": list(token.scopes)}


def _key(row: ApiKeyRow) -> ApiKey:
    values = {field.name: getattr(row, field.name) for field in fields(ApiKey)}
    return ApiKey(**values | {"scopes": tuple(row.scopes)})


def _refresh_token(row: RefreshTokenRow) -> RefreshToken:
    values = {field.name: getattr(row, field.name) for field in fields(RefreshToken)}
    return RefreshToken(**values | {"scopes": tuple(row.scopes)})
