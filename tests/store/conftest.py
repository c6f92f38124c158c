"""A store of its own for each test, in SQLite; no test may ask it anything for which it reads a whole table."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.store.database import database_url
from server.store.store import Store
from tests.store.plans import Plans


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = Store(database_url(None, tmp_path))
    await opened.open()
    plans = Plans(opened)
    yield opened
    scans = await plans.scans()
    await opened.close()
    assert scans == []
