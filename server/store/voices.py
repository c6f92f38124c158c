"""Known voices: a name and what it sounds like, for each owner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import CTE, and_, delete, exists, func, not_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from server.errors import Conflict, NotFound
from server.store.database import Database
from server.store.ids import new_id
from server.store.paging import MAX_PAGE, page_by_time
from server.store.records import CaptionVersion, Page, Voice, VoicePrint
from server.store.schema import CaptionRow, RecordingRow, SpeakerRow, VoiceRow

MAX_VOICES = 200
"""Voices of one owner: each is compared with whoever speaks."""
MAX_CENTROIDS = 8
"""Of one voice; the oldest go."""


@dataclass(frozen=True, slots=True)
class Met:
    """A speaker of a recording who has a known voice."""

    recording_id: str
    title: str
    created_at: datetime
    label: str
    length: int
    """How long that speaker talks, samples at 48 kHz; where two talk at once it is the main one's."""


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
            elif replace:
                row.verified = False
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

    async def all(self, owner: str) -> list[Voice]:
        """All of an owner, oldest first: `MAX_VOICES` at most."""
        query = select(VoiceRow).where(VoiceRow.owner == owner).order_by(VoiceRow.created_at, VoiceRow.id)
        async with self._database.read() as session:
            return [_voice(row) for row in await session.scalars(query)]

    async def page(self, owner: str, *, limit: int = MAX_PAGE, cursor: str | None = None) -> Page[Voice]:
        """Oldest first."""
        query = select(VoiceRow).where(VoiceRow.owner == owner)
        async with self._database.read() as session:
            return await page_by_time(session, query, VoiceRow, _voice, limit=limit, cursor=cursor, oldest_first=True)

    async def change(self, voice_id: str, **values: Any) -> Voice:
        """Set columns of a voice. Raises NotFound, Conflict (`voice-name-taken`)."""
        async with self._database.write() as session:
            row = _there(await session.get(VoiceRow, voice_id))
            other = await _named(session, row.owner, values["name"]) if "name" in values else None
            if other is not None and other.id != row.id:
                raise Conflict(f"There is a voice called {other.name} already.", code="voice-name-taken")
            for name, value in values.items():
                setattr(row, name, value)
        return _voice(row)

    async def merge(self, voice_id: str, into_id: str) -> Voice:
        """Two voices are one person's: `into_id` stays, speakers of the other are its own. Raises NotFound.

        What another embedding model made of the one that goes cannot be compared with the rest, and goes as well.
        """
        async with self._database.write() as session:
            gone = _there(await session.get(VoiceRow, voice_id))
            kept = _there(await session.get(VoiceRow, into_id))
            if (gone.model, gone.dimensions) == (kept.model, kept.dimensions):
                both = np.concatenate((_voice(gone).centroids, _voice(kept).centroids))[-MAX_CENTROIDS:]
                kept.centroids, kept.seconds = both.astype("<f4").tobytes(), kept.seconds + gone.seconds
            linked = update(SpeakerRow).where(SpeakerRow.voice_id == voice_id)
            await session.execute(linked.values(voice_id=into_id))
            await session.delete(gone)
        return _voice(kept)

    async def met(self, voice_id: str, limit: int = MAX_PAGE) -> list[Met]:
        """Where a voice was met, newest first: by the better account of recordings that are not in the bin.

        What was said under labels that were merged into its own is its own.
        """
        who = _labels(voice_id)
        better = aliased(SpeakerRow)
        has_final = exists().where(better.stream_id == who.c.stream_id, better.version == CaptionVersion.FINAL.value)
        other = who.alias("other")
        # A label of this voice that was merged into another one of it is counted there.
        elsewhere = exists().where(
            other.c.stream_id == who.c.stream_id,
            other.c.version == who.c.version,
            other.c.label == who.c.person,
            other.c.person != who.c.person,
        )
        said = and_(
            CaptionRow.stream_id == who.c.stream_id,
            CaptionRow.version == who.c.version,
            CaptionRow.speakers[0].as_string() == who.c.label,
            CaptionRow.hidden.is_(False),
        )
        columns = (RecordingRow.id, RecordingRow.title, RecordingRow.created_at, who.c.person)
        query = (
            select(*columns, func.coalesce(func.sum(CaptionRow.end - CaptionRow.start), 0))
            .select_from(who)
            .join(RecordingRow, RecordingRow.stream_id == who.c.stream_id)
            .outerjoin(CaptionRow, said)
            .where(RecordingRow.deleted_at.is_(None), not_(elsewhere))
            .where(or_(who.c.version == CaptionVersion.FINAL.value, not_(has_final)))
            .group_by(*columns)
            .order_by(RecordingRow.created_at.desc(), RecordingRow.id, who.c.person)
            .limit(limit)
        )
        async with self._database.read() as session:
            return [Met(*row) for row in await session.execute(query)]

    async def forget(self, voice_id: str) -> None:
        """Delete a voice for good, and the links to it; names that it gave to speakers of past streams stay."""
        async with self._database.write() as session:
            await session.execute(delete(VoiceRow).where(VoiceRow.id == voice_id))


def _labels(voice_id: str) -> CTE:
    """Labels of a voice: `person`, to whom it was given, and every `label` that was merged into that one."""
    row = SpeakerRow
    own = select(row.stream_id, row.version, row.label.label("person"), row.label)
    who = own.where(row.voice_id == voice_id).cte("who", recursive=True)
    more = select(row.stream_id, row.version, who.c.person, row.label).where(
        row.stream_id == who.c.stream_id, row.version == who.c.version, row.merged_into == who.c.label
    )
    return who.union(more)


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
