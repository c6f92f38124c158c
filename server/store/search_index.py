"""What recordings are found by, kept in the very transactions in which captions, names and titles change.

A stream's better account is indexed, in passages of some captions that follow each other: so a word that everybody uses
stands in thousands of rows and not in hundreds of thousands, and the last words of a live stream are written again with
a few before them only. Title, description and names are a passage of their own. What is hidden is in none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, Select, Table, and_, bindparam, delete, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from server.speech.tokens import VERSION, fold, tokens
from server.store.library_schema import SearchEntryRow, SearchPassageRow
from server.store.records import CaptionVersion
from server.store.schema import CaptionRow, RecordingRow, SpeakerRow

PASSAGE = 32
"""Caption numbers of a passage."""
AFTER = 2
"""Captions of the next passage that are in a passage too: phrases do not end where it does."""
LAST = 2**31 - 1
"""The largest number that a caption can have."""
SIZE = 2**27
"""Passages of an entry: room for every number that a caption can have. An id is the entry's number times that, and the
passage's."""
HEAD = 0
"""Title, description and names; the passages of captions come after it."""
FARTHEST = 16_383
"""PostgreSQL tells no positions apart that come after it."""
ROWS = 200
"""Passages that are written at once."""

_ENTRIES: Table = SearchEntryRow.__table__  # type: ignore[assignment]
_PASSAGES: Table = SearchPassageRow.__table__  # type: ignore[assignment]


def passage_of(number: int) -> int:
    """Which passage of its stream a caption is in."""
    return 1 + number // PASSAGE


def passages_with(number: int) -> set[int]:
    """The passages that hold the words of a caption: its own, and the one before where that goes on so far."""
    return {passage_of(number), passage_of(max(0, number - AFTER))}


def captions_of(passage: int) -> tuple[int, int]:
    """The first and the last caption number whose words are in a passage."""
    return (passage - 1) * PASSAGE, min(passage * PASSAGE - 1 + AFTER, LAST)


# Called within a transaction that has changed something


async def captions_changed(
    session: AsyncSession, version: CaptionVersion, changed: Mapping[str, Collection[int]]
) -> None:
    """Captions of some streams, by number, are others now."""
    await session.run_sync(lambda held: _captions_changed(held.connection(), version, changed))


async def account_changed(session: AsyncSession, stream_id: str) -> None:
    """One account of a stream is another one altogether."""
    await session.run_sync(lambda held: build(held.connection(), stream_id))


async def names_changed(session: AsyncSession, version: CaptionVersion, stream_ids: Collection[str]) -> None:
    """Speakers of some streams are called otherwise."""
    await session.run_sync(lambda held: _heads_changed(held.connection(), stream_ids, version))


async def title_changed(session: AsyncSession, stream_id: str) -> None:
    """A recording has another title or description."""
    await session.flush()
    await session.run_sync(lambda held: _heads_changed(held.connection(), [stream_id]))


async def forget_entry(session: AsyncSession, stream_id: str) -> None:
    """Nothing of a stream is found any more."""
    await session.execute(delete(SearchEntryRow).where(SearchEntryRow.stream_id == stream_id))


def unbuilt(connection: Connection, most: int) -> list[str]:
    """Streams with a recording that is not indexed, or by other rules."""
    query = (
        select(RecordingRow.stream_id)
        .outerjoin(SearchEntryRow, SearchEntryRow.stream_id == RecordingRow.stream_id)
        .where(or_(SearchEntryRow.number.is_(None), SearchEntryRow.made_by != VERSION))
        .limit(most)
    )
    return list(connection.scalars(query))


def build(connection: Connection, stream_id: str) -> None:
    """Index a stream from its beginning."""
    query = select(CaptionRow.number).where(
        CaptionRow.stream_id == stream_id, CaptionRow.version == CaptionVersion.FINAL
    )
    version = CaptionVersion.LIVE if connection.scalar(query.limit(1)) is None else CaptionVersion.FINAL
    entry = _entry(connection, stream_id, version)
    connection.execute(delete(SearchPassageRow).where(SearchPassageRow.entry == entry))
    said = select(CaptionRow.number, CaptionRow.text).where(
        CaptionRow.stream_id == stream_id, CaptionRow.version == version, CaptionRow.hidden.is_(False)
    )
    rows = connection.execute(said.order_by(CaptionRow.number)).all()
    texts: dict[int, list[str]] = {}
    for number, text in rows:
        for passage in passages_with(number):
            texts.setdefault(passage, []).append(text)
    _write(connection, [(entry, passage, found) for passage, found in texts.items()])
    _write_head(connection, entry, stream_id, version)


# ---- how


def _entry(connection: Connection, stream_id: str, version: CaptionVersion) -> int:
    values = {"stream_id": stream_id, "version": version.value, "made_by": VERSION, "title_key": ""}
    insert = _insert(connection, _ENTRIES).values(values)
    fresh = {"version": version.value, "made_by": VERSION}
    made = insert.on_conflict_do_update(index_elements=["stream_id"], set_=fresh).returning(_ENTRIES.c.number)
    return int(connection.execute(made).scalar_one())


def _known(connection: Connection, stream_ids: Collection[str]) -> dict[str, tuple[int, CaptionVersion]]:
    """Entry and account of those of the streams that are indexed."""
    row = SearchEntryRow
    query = select(row.stream_id, row.number, row.version)
    query = query.where(row.stream_id.in_(bindparam("ids", expanding=True)), row.made_by == VERSION)
    return {
        stream_id: (entry, CaptionVersion(version))
        for stream_id, entry, version in connection.execute(query, {"ids": list(stream_ids)})
    }


def _captions_changed(connection: Connection, version: CaptionVersion, changed: Mapping[str, Collection[int]]) -> None:
    known = _known(connection, changed.keys())
    wanted: dict[str, list[int]] = {}
    for stream_id, numbers in changed.items():
        if stream_id not in known:
            build(connection, stream_id)
        elif known[stream_id][1] is version:
            wanted[stream_id] = sorted({passage for number in numbers for passage in passages_with(number)})
    if not any(wanted.values()):
        return
    texts: dict[tuple[str, int], list[str]] = {
        (stream_id, passage): [] for stream_id, passages in wanted.items() for passage in passages
    }
    for stream_id, number, text in connection.execute(_texts(version, texts)):
        for passage in passages_with(number):
            if (stream_id, passage) in texts:
                texts[stream_id, passage].append(text)
    _write(connection, [(known[stream_id][0], passage, found) for (stream_id, passage), found in texts.items()])


def _texts(version: CaptionVersion, passages: Iterable[tuple[str, int]]) -> Select[str, int, str]:
    row = CaptionRow
    within = [
        and_(row.stream_id == stream_id, row.version == version, row.number >= first, row.number <= last)
        for stream_id, passage in passages
        for first, last in [captions_of(passage)]
    ]
    query = select(row.stream_id, row.number, row.text).where(or_(*within), row.hidden.is_(False))
    return query.order_by(row.stream_id, row.number)


def _heads_changed(connection: Connection, stream_ids: Collection[str], version: CaptionVersion | None = None) -> None:
    known = _known(connection, stream_ids)
    for stream_id in stream_ids:
        if stream_id not in known:
            build(connection, stream_id)
            continue
        entry, indexed = known[stream_id]
        if version in (None, indexed):
            _write_head(connection, entry, stream_id, indexed)


def _write_head(connection: Connection, entry: int, stream_id: str, version: CaptionVersion) -> None:
    about = select(RecordingRow.title, RecordingRow.description).where(RecordingRow.stream_id == stream_id)
    found = connection.execute(about).first()
    title, description = found or ("", "")
    names = connection.scalars(
        select(SpeakerRow.name).where(
            SpeakerRow.stream_id == stream_id,
            SpeakerRow.version == version,
            SpeakerRow.name.is_not(None),
            SpeakerRow.merged_into.is_(None),
        )
    )
    _write(connection, [(entry, HEAD, [title, *filter(None, names), description])])
    key = fold(title)[:400]
    connection.execute(update(_ENTRIES).where(_ENTRIES.c.number == entry).values(title_key=key))


def _write(connection: Connection, passages: list[tuple[int, int, list[str]]]) -> None:
    """Entry, passage and texts of each."""
    for start in range(0, len(passages), ROWS):
        rows = [
            {"id": entry * SIZE + passage, "entry": entry, "said": _said(connection, texts)}
            for entry, passage, texts in passages[start : start + ROWS]
        ]
        insert = _insert(connection, _PASSAGES)
        connection.execute(
            insert.on_conflict_do_update(index_elements=["id"], set_={"said": insert.excluded["said"]}), rows
        )


def _said(connection: Connection, texts: Iterable[str]) -> str:
    """Tokens as the database's own index reads them; they hold no quotation marks."""
    found = [token for text in texts for token in tokens(text)]
    if connection.dialect.name == "sqlite":
        return " ".join(found)
    places: dict[str, list[str]] = {}
    for place, token in enumerate(found, 1):
        places.setdefault(token, []).append(str(min(place, FARTHEST)))
    return " ".join(f"'{token}':{','.join(where)}" for token, where in places.items())


def _insert(connection: Connection, table: Table) -> Any:
    """INSERT … ON CONFLICT, which both databases know and SQLAlchemy knows as theirs only."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)
