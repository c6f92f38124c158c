"""Captions and speakers as rows, written and read as part of larger changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from sqlalchemy import Table, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from server.errors import NotFound
from server.speech.captions import Caption
from server.speech.processor import Word
from server.speech.speakers import SpeakerName
from server.store import search_index
from server.store.caption_edits import forget_edits
from server.store.records import CaptionVersion, VoicePrint
from server.store.schema import CaptionRow, SpeakerRow, VoiceRow

CAPTIONS: Table = CaptionRow.__table__  # type: ignore[assignment]
SPEAKERS: Table = SpeakerRow.__table__  # type: ignore[assignment]


async def forget_captions(session: AsyncSession, stream_id: str, version: CaptionVersion | None = None) -> None:
    """Delete the captions and the speakers of a stream, of all accounts or of one."""
    for table in (CAPTIONS, SPEAKERS):
        query = delete(table).where(table.c.stream_id == stream_id)
        await session.execute(query if version is None else query.where(table.c.version == version))
    if version is None:
        await search_index.forget_entry(session, stream_id)
        await forget_edits(session, stream_id)


async def save_captions(
    session: AsyncSession, stream_id: str, version: CaptionVersion, captions: Iterable[Caption]
) -> None:
    newest: dict[int, Caption] = {}
    for caption in captions:
        if caption.id not in newest or newest[caption.id].rev < caption.rev:
            newest[caption.id] = caption
    rows = [_caption_values(stream_id, version, caption) for caption in newest.values()]
    if not rows:
        return
    insert = insert_into(session)(CAPTIONS)
    fresh = {column.name: insert.excluded[column.name] for column in CAPTIONS.c if not column.primary_key}
    await session.execute(
        insert.on_conflict_do_update(
            index_elements=["stream_id", "version", "number"],
            set_=fresh,
            where=CAPTIONS.c.rev < insert.excluded["rev"],
        ),
        rows,
    )
    # What the session has read before is not what is there any more.
    session.expire_all()


async def save_speakers(
    session: AsyncSession, stream_id: str, version: CaptionVersion, speakers: Sequence[SpeakerName]
) -> None:
    if not speakers:
        return
    wanted = {entry.voice for entry in speakers if entry.voice is not None}
    voices = set(await session.scalars(select(VoiceRow.id).where(VoiceRow.id.in_(wanted)))) if wanted else set()
    rows = [
        {
            "stream_id": stream_id,
            "version": str(version),
            "label": entry.label,
            "number": number,
            "name": entry.name,
            "source": entry.source,
            "merged_into": entry.merged_into,
            "voice_id": entry.voice if entry.voice in voices else None,  # deleted meanwhile: only the link goes
        }
        for number, entry in enumerate(speakers, 1)
    ]
    insert = insert_into(session)(SPEAKERS)
    fresh = {
        name: insert.excluded[name] for name in rows[0] if name not in ("stream_id", "version", "label")
    }  # what they sound like stays
    await session.execute(
        insert.on_conflict_do_update(index_elements=["stream_id", "version", "label"], set_=fresh), rows
    )


async def save_prints(
    session: AsyncSession, stream_id: str, version: CaptionVersion, prints: Mapping[str, VoicePrint]
) -> None:
    for label, heard in prints.items():
        await session.execute(
            update(SPEAKERS)
            .where(SPEAKERS.c.stream_id == stream_id, SPEAKERS.c.version == version, SPEAKERS.c.label == label)
            .values(
                print_model=heard.model,
                print=np.asarray(heard.centroid, "<f4").tobytes(),
                print_seconds=float(heard.seconds),
            )
        )


async def speaker_rows(session: AsyncSession, stream_id: str, version: CaptionVersion) -> list[SpeakerRow]:
    query = select(SpeakerRow).where(SpeakerRow.stream_id == stream_id, SpeakerRow.version == version)
    return sorted(await session.scalars(query), key=lambda row: row.number)


async def stamp_of(session: AsyncSession, stream_id: str, version: CaptionVersion) -> str:
    query = select(func.count(), func.coalesce(func.sum(CaptionRow.rev), 0)).where(
        CaptionRow.stream_id == stream_id, CaptionRow.version == version
    )
    number, revisions = (await session.execute(query)).one()
    names = [speaker_of(row) for row in await speaker_rows(session, stream_id, version)]
    return repr((number, int(revisions), names))


def insert_into(session: AsyncSession) -> Callable[[Table], Any]:
    """INSERT … ON CONFLICT, which both databases know and SQLAlchemy knows as theirs only."""
    return postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert


def _caption_values(stream_id: str, version: CaptionVersion, caption: Caption) -> dict[str, Any]:
    return {
        "stream_id": stream_id,
        "version": str(version),
        "number": caption.id,
        "rev": caption.rev,
        "start": caption.start,
        "end": caption.end,
        "speakers": list(caption.speakers),
        "words": [[word.start, word.end, word.text, round(word.probability, 4)] for word in caption.words],
        "text": caption.shown,
        "edited": caption.text,
        "hidden": caption.hidden,
        "speakers_fixed": caption.speakers_fixed,
    }


def there(row: CaptionRow | None) -> CaptionRow:
    if row is None:
        raise NotFound("There is no such caption, or it is still being said.", code="unknown-caption")
    return row


def caption_of(row: CaptionRow) -> Caption:
    return Caption(
        id=row.number,
        rev=row.rev,
        start=row.start,
        end=row.end,
        speakers=tuple(row.speakers),
        words=tuple(Word(start, end, text, probability) for start, end, text, probability in row.words),
        committed=len(row.words),
        final=True,
        text=row.edited,
        hidden=row.hidden,
        speakers_fixed=row.speakers_fixed,
    )


def speaker_of(row: SpeakerRow) -> SpeakerName:
    return SpeakerName(row.label, row.name, row.source, row.merged_into, row.voice_id)
