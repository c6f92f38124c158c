"""Known voices: a name and what it sounds like, for each owner."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from sqlalchemy import delete, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from server.errors import Conflict, NotFound
from server.store.database import Database
from server.store.ids import new_id
from server.store.paging import MAX_PAGE, count, from_cursor, to_cursor
from server.store.records import Page, Voice, VoicePrint
from server.store.schema import VoiceRow

MAX_VOICES = 200
"""Voices of one owner: each is compared with whoever speaks."""
MAX_CENTROIDS = 8
"""Of one voice; the oldest go."""


class VoiceTable:
    """Known voices. Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def learn(
        self, owner: str, name: str, prints: Sequence[VoicePrint], now: datetime, *, replace: bool = False
    ) -> Voice:
        """Keep what somebody sounds like, who has consented; a name that is known learns to know the voice better.

        `replace`: what the name was known by is forgotten. All `prints` are of one model; what the voice was known by
        in another one is forgotten in any case. Raises Conflict when there are too many.
        """
        fresh = np.stack([np.asarray(heard.centroid, np.float32) for heard in prints])
        model, seconds = prints[0].model, sum(heard.seconds for heard in prints)
        async with self._database.write() as session:
            row = await _named(session, owner, name)
            if row is None:
                number = await session.scalar(select(func.count()).where(VoiceRow.owner == owner)) or 0
                if number >= MAX_VOICES:
                    raise Conflict(f"{MAX_VOICES} voices are the most: delete one first.", code="too-many-voices")
                row = VoiceRow(id=new_id(), owner=owner, name=name, created_at=now, model="", dimensions=0, seconds=0.0)
                row.description, row.active, row.verified = "", True, False
                session.add(row)
            elif not replace and row.model == model and row.dimensions == fresh.shape[1]:
                fresh = np.concatenate((_voice(row).centroids, fresh))
                seconds += row.seconds
            fresh = fresh[-MAX_CENTROIDS:]
            row.model, row.dimensions, row.seconds = model, fresh.shape[1], float(seconds)
            row.centroids, row.consent_at = fresh.astype("<f4").tobytes(), now
        return _voice(row)

    async def get(self, voice_id: str) -> Voice:
        """Raises NotFound."""
        async with self._database.read() as session:
            return _voice(_there(await session.get(VoiceRow, voice_id)))

    async def named(self, owner: str, name: str) -> Voice | None:
        """The voice that an owner knows by this name, in small or capital letters."""
        async with self._database.read() as session:
            row = await _named(session, owner, name)
        return _voice(row) if row is not None else None

    async def page(self, owner: str, *, limit: int = MAX_PAGE, cursor: str | None = None) -> Page[Voice]:
        """Oldest first."""
        query = select(VoiceRow).where(VoiceRow.owner == owner)
        async with self._database.read() as session:
            total = await count(session, query.with_only_columns(VoiceRow.id))
            if cursor is not None:
                query = query.where(tuple_(VoiceRow.created_at, VoiceRow.id) > from_cursor(cursor))
            query = query.order_by(VoiceRow.created_at, VoiceRow.id).limit(limit + 1)
            rows = list(await session.scalars(query))
        after = to_cursor(rows[limit - 1].created_at, rows[limit - 1].id) if len(rows) > limit else None
        return Page([_voice(row) for row in rows[:limit]], total, after)

    async def rename(self, voice_id: str, name: str) -> Voice:
        """Raises NotFound, Conflict (`voice-name-taken`)."""
        async with self._database.write() as session:
            row = _there(await session.get(VoiceRow, voice_id))
            other = await _named(session, row.owner, name)
            if other is not None and other.id != row.id:
                raise Conflict(f"There is a voice called {other.name} already.", code="voice-name-taken")
            row.name = name
        return _voice(row)

    async def forget(self, voice_id: str) -> None:
        """Delete a voice for good, and the links to it; names that it gave to speakers of past streams stay."""
        async with self._database.write() as session:
            await session.execute(delete(VoiceRow).where(VoiceRow.id == voice_id))


async def _named(session: AsyncSession, owner: str, name: str) -> VoiceRow | None:
    """Compared here, because SQLite knows capital letters of ASCII only; an owner has few enough voices."""
    rows = await session.scalars(select(VoiceRow).where(VoiceRow.owner == owner))
    return next((row for row in rows if row.name.casefold() == name.casefold()), None)


def _there(row: VoiceRow | None) -> VoiceRow:
    if row is None:
        raise NotFound("There is no such voice.", code="unknown-voice")
    return row


def _voice(row: VoiceRow) -> Voice:
    return Voice(
        id=row.id,
        owner=row.owner,
        name=row.name,
        created_at=row.created_at,
        model=row.model,
        centroids=np.frombuffer(row.centroids, "<f4").reshape(-1, row.dimensions),
        seconds=row.seconds,
        consent_at=row.consent_at,
        description=row.description,
        active=row.active,
        verified=row.verified,
    )
