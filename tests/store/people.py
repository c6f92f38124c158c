"""People that tests of the store begin with, put straight into its tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from server.store.names import search_words
from server.store.people_schema import UserRow, UserWordRow
from server.store.store import Store
from tests.store.rows import NOW


async def add_people(store: Store, *names: str, **display_names: str) -> None:
    """Somebody for each name, whose id it is as well; `name=display_name` for who is shown with another."""
    for name, shown in (dict.fromkeys(names) | display_names).items():
        await add_person(store, name, shown)


async def add_person(
    store: Store, name: str, shown: str | None = None, preferences: Mapping[str, Any] | None = None, **values: Any
) -> None:
    """One person."""
    display_name = shown or name.capitalize()
    async with store._database.write() as session:
        row = UserRow(
            id=name, name=name, display_name=display_name, password="", administrator=False, created_at=NOW,
            bio="", preferences=dict(preferences or {}),
        )  # fmt: skip
        for key, value in values.items():
            setattr(row, key, value)
        session.add(row)
        await session.flush()
        session.add_all(UserWordRow(word=word, user_id=name) for word in search_words(name, display_name))
