"""A store of its own for each test, in SQLite."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.store.database import database_url
from server.store.store import Store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = Store(database_url(None, tmp_path))
    await opened.open()
    yield opened
    await opened.close()
