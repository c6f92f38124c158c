"""A store of its own for each test, and time that a test moves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from server.store.database import database_url
from server.store.store import Store


@dataclass
class MovableClock:
    """A clock that stands still until it is moved."""

    now: datetime = datetime(2026, 11, 3, 12, tzinfo=UTC)
    ran: float = 0.0
    """Seconds."""

    def wall(self) -> datetime:
        return self.now

    def samples(self) -> int:
        return int(self.ran * 48_000)

    def monotonic(self) -> float:
        return self.ran

    def forward(self, **duration: float) -> None:
        passed = timedelta(**duration)
        self.now += passed
        self.ran += passed.total_seconds()


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = Store(database_url(None, tmp_path))
    await opened.open()
    yield opened
    await opened.close()
