"""What was said in streams, and by whom: the final captions and the speakers of each account of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
from sqlalchemy import select, tuple_, update

from server.errors import Conflict
from server.speech.captions import Caption
from server.speech.speakers import SpeakerName, SpeakerNames
from server.store import search_index
from server.store.caption_edits import carry_over, keep_edit
from server.store.caption_rows import (
    SPEAKERS,
    caption_of,
    forget_captions,
    save_captions,
    save_prints,
    save_speakers,
    speaker_of,
    speaker_rows,
    stamp_of,
    there,
)
from server.store.database import Database
from server.store.paging import MAX_PAGE, count, from_number_cursor, to_number_cursor
from server.store.records import CaptionVersion, Page, VoicePrint
from server.store.schema import CaptionRow, StreamRow

CHUNK = 200
"""Rows that are turned into JSON or back at a time, so that the event loop is soon free again."""


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
                await save_captions(session, stream_id, CaptionVersion.LIVE, batch.captions.get(stream_id, ()))
                await save_speakers(session, stream_id, CaptionVersion.LIVE, batch.speakers.get(stream_id, ()))
                await save_prints(session, stream_id, CaptionVersion.LIVE, batch.prints.get(stream_id, {}))
            said = {key: {caption.id for caption in batch.captions[key]} for key in known & batch.captions.keys()}
            await search_index.captions_changed(session, CaptionVersion.LIVE, said)
            await search_index.names_changed(session, CaptionVersion.LIVE, known & batch.speakers.keys())
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
                return Page([caption_of(row) for row in reversed(list(await session.scalars(query)))], total)
            if cursor is not None:
                query = query.where(CaptionRow.number > from_number_cursor(cursor))
            rows = list(await session.scalars(query.order_by(CaptionRow.number).limit(limit + 1)))
        after = to_number_cursor(rows[limit - 1].number) if len(rows) > limit else None
        return Page([caption_of(row) for row in rows[:limit]], total, after)

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
            return [caption_of(row) async for part in rows.partitions() for row in part]

    async def get(self, stream_id: str, version: CaptionVersion, number: int) -> Caption:
        """Raises NotFound."""
        async with self._database.read() as session:
            return caption_of(there(await session.get(CaptionRow, (stream_id, version, number))))

    async def last(self, stream_id: str, version: CaptionVersion, most: int) -> list[Caption]:
        """The newest, oldest first."""
        query = select(CaptionRow).where(CaptionRow.stream_id == stream_id, CaptionRow.version == version)
        async with self._database.read() as session:
            rows = list(await session.scalars(query.order_by(CaptionRow.number.desc()).limit(most)))
        return [caption_of(row) for row in reversed(rows)]

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
            return [speaker_of(row) for row in await speaker_rows(session, stream_id, version)]

    async def prints(self, stream_id: str, version: CaptionVersion) -> dict[str, VoicePrint]:
        """What the speakers sound like, by label, where that is known."""
        async with self._database.read() as session:
            rows = await speaker_rows(session, stream_id, version)
        return {
            row.label: VoicePrint(row.print_model, np.frombuffer(row.print, "<f4"), row.print_seconds or 0.0)
            for row in rows
            if row.print is not None and row.print_model is not None
        }

    async def forget_prints(self, before: datetime) -> None:
        """Forget what the speakers of streams that ended before then sound like; voices that were saved stay."""
        over = select(StreamRow.id).where(StreamRow.ended_at < before)
        heard = SPEAKERS.c.print.is_not(None) & SPEAKERS.c.stream_id.in_(over)
        async with self._database.write() as session:
            await session.execute(
                update(SPEAKERS).where(heard).values(print=None, print_model=None, print_seconds=None)
            )

    async def stamp(self, stream_id: str, version: CaptionVersion) -> str:
        """Changes whenever captions or speakers do."""
        async with self._database.read() as session:
            return await stamp_of(session, stream_id, version)

    # After a stream

    async def edit(
        self,
        stream_id: str,
        version: CaptionVersion,
        number: int,
        change: Callable[[Caption], Caption],
        *,
        by: tuple[str, datetime] | None = None,
    ) -> Caption:
        """Write down what `change` makes of one caption, as a revision if it changes anything. Raises NotFound.

        `by`: who corrects it and when, where that is to be kept.
        """
        async with self._database.write() as session:
            caption = caption_of(there(await session.get(CaptionRow, (stream_id, version, number))))
            changed = change(caption)
            if changed != caption:
                changed = replace(changed, rev=caption.rev + 1)
                await save_captions(session, stream_id, version, [changed])
                await search_index.captions_changed(session, version, {stream_id: {number}})
                if by is not None:
                    await keep_edit(session, stream_id, version, caption, changed, *by)
        return changed

    async def change_speakers(
        self, stream_id: str, version: CaptionVersion, change: Callable[[SpeakerNames], object]
    ) -> list[SpeakerName]:
        """Do something to the names of one account; returns all of them. Raises what `change` raises."""
        async with self._database.write() as session:
            before = [speaker_of(row) for row in await speaker_rows(session, stream_id, version)]
            names = SpeakerNames(before)
            change(names)
            await save_speakers(session, stream_id, version, names.all())
            await search_index.names_changed(session, version, [stream_id])
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
                if await stamp_of(session, stream_id, source) != stamp:
                    raise Conflict("Somebody has just changed these captions.", code="captions-changed")
            if version is CaptionVersion.FINAL:
                await carry_over(session, stream_id, captions)
            await forget_captions(session, stream_id, version)
            for start in range(0, len(captions), CHUNK):
                await save_captions(session, stream_id, version, captions[start : start + CHUNK])
            await save_speakers(session, stream_id, version, speakers)
            await save_prints(session, stream_id, version, prints or {})
            await search_index.account_changed(session, stream_id)

    async def forget(self, stream_id: str) -> None:
        """Delete everything that was written down of a stream."""
        async with self._database.write() as session:
            await forget_captions(session, stream_id)
