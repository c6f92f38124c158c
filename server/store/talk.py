"""Who talked for how long in one account of a stream, as numbers: no words are read for it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

from server.speech.tokens import count_words
from server.store.database import Database
from server.store.records import CaptionVersion
from server.store.schema import CaptionRow


@dataclass(frozen=True, slots=True)
class Said:
    """One caption as far as it is counted. Times are samples at 48 kHz."""

    start: int
    end: int
    label: str | None
    """Of its main speaker; None where nobody knows."""
    words: int
    """As they were heard, or as a person wrote them."""


class TalkTable:
    """Counts. Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def said(self, stream_id: str, version: CaptionVersion) -> list[Said]:
        """Every caption that is not hidden, by its beginning."""
        row = CaptionRow
        query = (
            select(row.start, row.end, row.speakers[0].as_string(), func.json_array_length(row.words), row.edited)
            .where(row.stream_id == stream_id, row.version == version, row.hidden.is_(False))
            .order_by(row.start, row.number)
        )
        async with self._database.read() as session:
            return [
                Said(start, end, label, words if edited is None else count_words(edited))
                for start, end, label, words, edited in await session.execute(query)
            ]

    async def lines(self, stream_id: str, version: CaptionVersion) -> list[tuple[int, str | None, str]]:
        """Beginning, label of the main speaker and text of every caption that is not hidden, by its beginning."""
        row = CaptionRow
        query = (
            select(row.start, row.speakers[0].as_string(), row.text)
            .where(row.stream_id == stream_id, row.version == version, row.hidden.is_(False))
            .order_by(row.start, row.number)
        )
        async with self._database.read() as session:
            return [(start, label, text) for start, label, text in await session.execute(query)]
