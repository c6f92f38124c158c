"""Summaries that a language model wrote."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from server.store.database import Database
from server.store.library_schema import SummaryRow


@dataclass(frozen=True, slots=True)
class WrittenSummary:
    """One text; `stamp` is that of the captions that it was made from."""

    recording_id: str
    model: str
    markdown: str
    made_at: datetime
    stamp: str


class SummaryTable:
    """One for each recording at most. Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, summary: WrittenSummary) -> None:
        """Write one down in place of the one before. Raises Conflict where the recording is gone."""
        async with self._database.write() as session:
            await session.merge(SummaryRow(**asdict(summary)))

    async def get(self, recording_id: str) -> WrittenSummary | None:
        async with self._database.read() as session:
            row = await session.get(SummaryRow, recording_id)
        if row is None:
            return None
        return WrittenSummary(row.recording_id, row.model, row.markdown, row.made_at, row.stamp)
