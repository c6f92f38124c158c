"""What people have changed in captions, kept so that it can be read and taken back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, Table, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.speech.captions import Caption
from server.speech.final import touched
from server.store.database import Database
from server.store.library_schema import CaptionEditRow
from server.store.records import CaptionVersion
from server.store.schema import CaptionRow

MOST = 50
"""Corrections that are kept of one caption; the oldest go."""

_EDITS: Table = CaptionEditRow.__table__  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class Correction:
    """One change of one caption. `before` and `after` hold what was changed alone: `text` (None for the words as they
    were heard), `speakers` (labels), `hidden`."""

    id: int
    number: int
    actor: str
    at: datetime
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    undone: bool


def difference(before: Caption, after: Caption) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a correction has changed: as it was, as it is."""
    was = {"text": before.text, "speakers": list(before.speakers), "hidden": before.hidden}
    now = {"text": after.text, "speakers": list(after.speakers), "hidden": after.hidden}
    changed = [name for name in was if was[name] != now[name]]
    return {name: was[name] for name in changed}, {name: now[name] for name in changed}


class CaptionEditTable:
    """Corrections. Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(
        self, stream_id: str, version: CaptionVersion, before: Caption, after: Caption, actor: str, at: datetime
    ) -> None:
        """Write down that a caption was corrected; nothing where it is the same."""
        async with self._database.write() as session:
            await keep_edit(session, stream_id, version, before, after, actor, at)

    async def of(self, stream_id: str, version: CaptionVersion, number: int) -> list[Correction]:
        """Those of one caption, the last first."""
        query = _of(stream_id, version).where(CaptionEditRow.number == number)
        async with self._database.read() as session:
            return [_correction(row) for row in await session.scalars(query.order_by(CaptionEditRow.id.desc()))]

    async def last(self, stream_id: str, version: CaptionVersion) -> Correction | None:
        """The last of one account that was not taken back."""
        query = _of(stream_id, version).where(CaptionEditRow.undone.is_(False))
        async with self._database.read() as session:
            row = await session.scalar(query.order_by(CaptionEditRow.id.desc()).limit(1))
        return _correction(row) if row is not None else None

    async def undone(self, edit_id: int) -> None:
        """It was taken back."""
        async with self._database.write() as session:
            await session.execute(update(CaptionEditRow).where(CaptionEditRow.id == edit_id).values(undone=True))


async def keep_edit(
    session: AsyncSession,
    stream_id: str,
    version: CaptionVersion,
    before: Caption,
    after: Caption,
    actor: str,
    at: datetime,
) -> None:
    """The same as part of a larger change."""
    was, now = difference(before, after)
    if not now:
        return
    values = {"stream_id": stream_id, "version": version.value, "number": after.id, "actor": actor, "at": at}
    await session.execute(insert(_EDITS).values(**values, before=was, after=now, undone=False))
    ids = select(CaptionEditRow.id).where(
        CaptionEditRow.stream_id == stream_id, CaptionEditRow.version == version, CaptionEditRow.number == after.id
    )
    kept = list(await session.scalars(ids.order_by(CaptionEditRow.id.desc()).limit(MOST + 1)))
    if len(kept) > MOST:
        await session.execute(delete(CaptionEditRow).where(CaptionEditRow.id == kept[-1]))


async def forget_edits(session: AsyncSession, stream_id: str) -> None:
    """Of a stream nothing is kept."""
    await session.execute(delete(CaptionEditRow).where(CaptionEditRow.stream_id == stream_id))


async def carry_over(session: AsyncSession, stream_id: str, captions: Sequence[Caption]) -> None:
    """The second account is about to be written anew with these captions: what people corrected stays with them.

    Corrections of the first account go along with the captions that it begins with.
    """
    final = CaptionVersion.FINAL
    there = select(CaptionRow.number).where(CaptionRow.stream_id == stream_id, CaptionRow.version == final)
    source = CaptionVersion.LIVE if await session.scalar(there.limit(1)) is None else final
    rows = list(await session.scalars(_of(stream_id, source).order_by(CaptionEditRow.id)))
    if not rows:
        return
    known = select(CaptionRow.number, CaptionRow.start, CaptionRow.end).where(
        CaptionRow.stream_id == stream_id,
        CaptionRow.version == source,
        CaptionRow.number.in_({row.number for row in rows}),
    )
    times = {number: (start, end) for number, start, end in await session.execute(known)}
    numbers = {(caption.start, caption.end): caption.id for caption in captions if touched(caption)}
    columns = [column.name for column in _EDITS.columns if column.name != "id"]
    carried = [
        {name: getattr(row, name) for name in columns} | {"version": final.value, "number": numbers[times[row.number]]}
        for row in rows
        if times.get(row.number) in numbers
    ]
    await session.execute(delete(_EDITS).where(_EDITS.c.stream_id == stream_id, _EDITS.c.version == final))
    if carried:
        await session.execute(insert(_EDITS), carried)


def _of(stream_id: str, version: CaptionVersion) -> Select[CaptionEditRow]:
    return select(CaptionEditRow).where(CaptionEditRow.stream_id == stream_id, CaptionEditRow.version == version)


def _correction(row: CaptionEditRow) -> Correction:
    return Correction(row.id, row.number, row.actor, row.at, row.before, row.after, row.undone)
