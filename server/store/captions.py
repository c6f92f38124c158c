"""What was said in streams, and by whom: the final captions and the speakers of each account of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import Table, delete, func, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from server.errors import Conflict, NotFound
from server.speech.captions import Caption
from server.speech.processor import Word
from server.speech.speakers import SpeakerName, SpeakerNames
from server.store.database import Database
from server.store.paging import MAX_PAGE, count, from_number_cursor, to_number_cursor
from server.store.records import CaptionVersion, Page, VoicePrint
from server.store.schema import CaptionRow, SpeakerRow, StreamRow, VoiceRow

CHUNK = 200
"""Rows that are turned into JSON or back at a time, so that the event loop is soon free again."""

_CAPTIONS: Table = CaptionRow.__table__  # type: ignore[assignment]
_SPEAKERS: Table = SpeakerRow.__table__  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class CaptionBatch:
    """What became final in live streams, by stream: captions, all speakers, what those sound like."""

    captions: Mapping[str, Sequence[Caption]] = field(default_factory=dict)
    speakers: Mapping[str, Sequence[SpeakerName]] = field(default_factory=dict)
    prints: Mapping[str, Mapping[str, VoicePrint]] = field(default_factory=dict)

    @property
    def streams(self) -> set[str]:
        return {*self.captions, *self.speakers, *self.prints}


@dataclass(frozen=True, slots=True)
class Cue:
    """A caption as it is read: times in samples at 48 kHz, labels of its speakers, the text as shown."""

    number: int
    start: int
    end: int
    speakers: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """A caption without the times of its words; `edited` says whether a person wrote it or said who speaks."""

    number: int
    rev: int
    start: int
    end: int
    speakers: tuple[str, ...]
    text: str
    hidden: bool
    edited: bool


class CaptionTable:
    """Captions and speakers. Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # While a stream is live

    async def save(self, batch: CaptionBatch) -> set[str]:
        """Write down what became final in live streams; returns the streams that are not known (yet): not written.

        Of two versions of a caption the one with the higher `rev` stays, in whichever order they come.
        """
        async with self._database.write() as session:
            known = set(await session.scalars(select(StreamRow.id).where(StreamRow.id.in_(batch.streams))))
            for stream_id in known:
                await _save_captions(session, stream_id, CaptionVersion.LIVE, batch.captions.get(stream_id, ()))
                await _save_speakers(session, stream_id, CaptionVersion.LIVE, batch.speakers.get(stream_id, ()))
                await _save_prints(session, stream_id, CaptionVersion.LIVE, batch.prints.get(stream_id, {}))
        return batch.streams - known

    # Reading

    async def version(self, stream_id: str) -> CaptionVersion:
        """The better account that there is of a stream."""
        query = select(CaptionRow.number).where(
            CaptionRow.stream_id == stream_id, CaptionRow.version == CaptionVersion.FINAL
        )
        async with self._database.read() as session:
            found = await session.scalar(query.limit(1))
        return CaptionVersion.LIVE if found is None else CaptionVersion.FINAL

    async def page(
        self,
        stream_id: str,
        version: CaptionVersion,
        *,
        limit: int = MAX_PAGE,
        cursor: str | None = None,
        before: int | None = None,
    ) -> Page[Caption]:
        """In the order in which they were said; with `before` the last ones that come before that number."""
        query = select(CaptionRow).where(CaptionRow.stream_id == stream_id, CaptionRow.version == version)
        async with self._database.read() as session:
            total = await count(session, query.with_only_columns(CaptionRow.number))
            if before is not None:
                query = query.where(CaptionRow.number < before).order_by(CaptionRow.number.desc()).limit(limit)
                return Page([_caption(row) for row in reversed(list(await session.scalars(query)))], total)
            if cursor is not None:
                query = query.where(CaptionRow.number > from_number_cursor(cursor))
            rows = list(await session.scalars(query.order_by(CaptionRow.number).limit(limit + 1)))
        after = to_number_cursor(rows[limit - 1].number) if len(rows) > limit else None
        return Page([_caption(row) for row in rows[:limit]], total, after)

    async def lines(
        self, stream_id: str, version: CaptionVersion, *, limit: int, cursor: str | None = None
    ) -> Page[Line]:
        """The same without words, of which there are ten times as many: for those who read on through hours."""
        row = CaptionRow
        mine = (row.stream_id == stream_id, row.version == version)
        query = select(
            row.number, row.rev, row.start, row.end, row.speakers, row.text, row.hidden,
            row.edited.is_not(None) | row.speakers_fixed,
        ).where(*mine)  # fmt: skip
        if cursor is not None:
            query = query.where(row.number > from_number_cursor(cursor))
        async with self._database.read() as session:
            total = await count(session, select(row.number).where(*mine))
            found = (await session.execute(query.order_by(row.number).limit(limit + 1))).all()
        lines = [
            Line(number, rev, start, end, tuple(speakers), text, hidden, bool(edited))
            for number, rev, start, end, speakers, text, hidden, edited in found[:limit]
        ]
        return Page(lines, total, to_number_cursor(lines[-1].number) if len(found) > limit else None)

    async def all(self, stream_id: str, version: CaptionVersion) -> list[Caption]:
        """One whole account, in the order in which it was said."""
        query = select(CaptionRow).where(CaptionRow.stream_id == stream_id, CaptionRow.version == version)
        query = query.order_by(CaptionRow.start, CaptionRow.number).execution_options(yield_per=CHUNK)
        async with self._database.read() as session:
            rows = await session.stream_scalars(query)
            return [_caption(row) async for part in rows.partitions() for row in part]

    async def get(self, stream_id: str, version: CaptionVersion, number: int) -> Caption:
        """Raises NotFound."""
        async with self._database.read() as session:
            return _caption(_there(await session.get(CaptionRow, (stream_id, version, number))))

    async def last(self, stream_id: str, version: CaptionVersion, most: int) -> list[Caption]:
        """The newest, oldest first."""
        query = select(CaptionRow).where(CaptionRow.stream_id == stream_id, CaptionRow.version == version)
        async with self._database.read() as session:
            rows = list(await session.scalars(query.order_by(CaptionRow.number.desc()).limit(most)))
        return [_caption(row) for row in reversed(rows)]

    async def cues(
        self, stream_id: str, version: CaptionVersion, after: Cue | None = None, *, limit: int = CHUNK
    ) -> list[Cue]:
        """Those that are not hidden, by their beginning; `after` is the last of the part before."""
        row = CaptionRow
        query = select(row.number, row.start, row.end, row.speakers, row.text).where(
            row.stream_id == stream_id, row.version == version, row.hidden.is_(False)
        )
        if after is not None:
            query = query.where(tuple_(row.start, row.number) > (after.start, after.number))
        async with self._database.read() as session:
            found = await session.execute(query.order_by(row.start, row.number).limit(limit))
            return [Cue(number, start, end, tuple(speakers), text) for number, start, end, speakers, text in found]

    async def speakers(self, stream_id: str, version: CaptionVersion) -> list[SpeakerName]:
        """In the order in which they first spoke."""
        async with self._database.read() as session:
            return [_speaker(row) for row in await _speaker_rows(session, stream_id, version)]

    async def prints(self, stream_id: str, version: CaptionVersion) -> dict[str, VoicePrint]:
        """What the speakers sound like, by label, where that is known."""
        async with self._database.read() as session:
            rows = await _speaker_rows(session, stream_id, version)
        return {
            row.label: VoicePrint(row.print_model, np.frombuffer(row.print, "<f4"), row.print_seconds or 0.0)
            for row in rows
            if row.print is not None and row.print_model is not None
        }

    async def forget_prints(self, before: datetime) -> None:
        """Forget what the speakers of streams that ended before then sound like; voices that were saved stay."""
        over = select(StreamRow.id).where(StreamRow.ended_at < before)
        heard = _SPEAKERS.c.print.is_not(None) & _SPEAKERS.c.stream_id.in_(over)
        async with self._database.write() as session:
            await session.execute(
                update(_SPEAKERS).where(heard).values(print=None, print_model=None, print_seconds=None)
            )

    async def stamp(self, stream_id: str, version: CaptionVersion) -> str:
        """Changes whenever captions or speakers do."""
        async with self._database.read() as session:
            return await _stamp(session, stream_id, version)

    # After a stream

    async def edit(
        self, stream_id: str, version: CaptionVersion, number: int, change: Callable[[Caption], Caption]
    ) -> Caption:
        """Write down what `change` makes of one caption, as a revision if it changes anything. Raises NotFound."""
        async with self._database.write() as session:
            caption = _caption(_there(await session.get(CaptionRow, (stream_id, version, number))))
            changed = change(caption)
            if changed != caption:
                changed = replace(changed, rev=caption.rev + 1)
                await _save_captions(session, stream_id, version, [changed])
        return changed

    async def change_speakers(
        self, stream_id: str, version: CaptionVersion, change: Callable[[SpeakerNames], object]
    ) -> list[SpeakerName]:
        """Do something to the names of one account; returns all of them. Raises what `change` raises."""
        async with self._database.write() as session:
            before = [_speaker(row) for row in await _speaker_rows(session, stream_id, version)]
            names = SpeakerNames(before)
            change(names)
            await _save_speakers(session, stream_id, version, names.all())
        return names.all()

    async def replace(
        self,
        stream_id: str,
        version: CaptionVersion,
        captions: Sequence[Caption],
        speakers: Sequence[SpeakerName],
        prints: Mapping[str, VoicePrint] | None = None,
        *,
        based_on: Mapping[CaptionVersion, str] | None = None,
    ) -> None:
        """Write one whole account down in place of what there is of it.

        `based_on` are the stamps of the accounts that went into it: Conflict (`captions-changed`) when a person has
        changed one of them since.
        """
        async with self._database.write() as session:
            for source, stamp in (based_on or {}).items():
                if await _stamp(session, stream_id, source) != stamp:
                    raise Conflict("Somebody has just changed these captions.", code="captions-changed")
            await forget_captions(session, stream_id, version)
            for start in range(0, len(captions), CHUNK):
                await _save_captions(session, stream_id, version, captions[start : start + CHUNK])
            await _save_speakers(session, stream_id, version, speakers)
            await _save_prints(session, stream_id, version, prints or {})

    async def forget(self, stream_id: str) -> None:
        """Delete everything that was written down of a stream."""
        async with self._database.write() as session:
            await forget_captions(session, stream_id)


async def forget_captions(session: AsyncSession, stream_id: str, version: CaptionVersion | None = None) -> None:
    """Delete the captions and the speakers of a stream, of all accounts or of one."""
    for table in (_CAPTIONS, _SPEAKERS):
        query = delete(table).where(table.c.stream_id == stream_id)
        await session.execute(query if version is None else query.where(table.c.version == version))


async def _save_captions(
    session: AsyncSession, stream_id: str, version: CaptionVersion, captions: Iterable[Caption]
) -> None:
    newest: dict[int, Caption] = {}
    for caption in captions:
        if caption.id not in newest or newest[caption.id].rev < caption.rev:
            newest[caption.id] = caption
    rows = [_caption_values(stream_id, version, caption) for caption in newest.values()]
    if not rows:
        return
    insert = _insert(session)(_CAPTIONS)
    fresh = {column.name: insert.excluded[column.name] for column in _CAPTIONS.c if not column.primary_key}
    await session.execute(
        insert.on_conflict_do_update(
            index_elements=["stream_id", "version", "number"],
            set_=fresh,
            where=_CAPTIONS.c.rev < insert.excluded["rev"],
        ),
        rows,
    )
    # What the session has read before is not what is there any more.
    session.expire_all()


async def _save_speakers(
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
    insert = _insert(session)(_SPEAKERS)
    fresh = {
        name: insert.excluded[name] for name in rows[0] if name not in ("stream_id", "version", "label")
    }  # what they sound like stays
    await session.execute(
        insert.on_conflict_do_update(index_elements=["stream_id", "version", "label"], set_=fresh), rows
    )


async def _save_prints(
    session: AsyncSession, stream_id: str, version: CaptionVersion, prints: Mapping[str, VoicePrint]
) -> None:
    for label, heard in prints.items():
        await session.execute(
            update(_SPEAKERS)
            .where(_SPEAKERS.c.stream_id == stream_id, _SPEAKERS.c.version == version, _SPEAKERS.c.label == label)
            .values(
                print_model=heard.model,
                print=np.asarray(heard.centroid, "<f4").tobytes(),
                print_seconds=float(heard.seconds),
            )
        )


async def _speaker_rows(session: AsyncSession, stream_id: str, version: CaptionVersion) -> list[SpeakerRow]:
    query = select(SpeakerRow).where(SpeakerRow.stream_id == stream_id, SpeakerRow.version == version)
    return sorted(await session.scalars(query), key=lambda row: row.number)


async def _stamp(session: AsyncSession, stream_id: str, version: CaptionVersion) -> str:
    query = select(func.count(), func.coalesce(func.sum(CaptionRow.rev), 0)).where(
        CaptionRow.stream_id == stream_id, CaptionRow.version == version
    )
    number, revisions = (await session.execute(query)).one()
    names = [_speaker(row) for row in await _speaker_rows(session, stream_id, version)]
    return repr((number, int(revisions), names))


def _insert(session: AsyncSession) -> Callable[[Table], Any]:
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


def _there(row: CaptionRow | None) -> CaptionRow:
    if row is None:
        raise NotFound("There is no such caption, or it is still being said.", code="unknown-caption")
    return row


def _caption(row: CaptionRow) -> Caption:
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


def _speaker(row: SpeakerRow) -> SpeakerName:
    return SpeakerName(row.label, row.name, row.source, row.merged_into, row.voice_id)
