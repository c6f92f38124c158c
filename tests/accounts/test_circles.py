"""Circles in memory: read once, never of before a change."""

from __future__ import annotations

import asyncio

import pytest

from server.accounts import circles as module
from server.accounts.circles import Circle, Circles


class Rows:
    """A database that answers when it is told to."""

    def __init__(self) -> None:
        self.friends: dict[str, frozenset[str]] = {}
        self.reads = 0
        self.hold: asyncio.Event | None = None

    async def load(self, user_id: str) -> Circle:
        self.reads += 1
        found = Circle(friends=self.friends.get(user_id, frozenset()))
        if self.hold is not None:
            await self.hold.wait()
        return found


async def test_a_circle_is_read_once_until_it_changes() -> None:
    rows = Rows()
    circles = Circles(rows.load)
    told: list[frozenset[str]] = []
    stop = circles.subscribe(told.append)
    assert circles.known("anna") is None
    assert await circles.of("anna") is await circles.of("anna") is circles.known("anna")
    assert rows.reads == 1
    rows.friends["anna"] = frozenset({"ben"})
    circles.changed("anna", "ben")
    assert circles.known("anna") is None
    assert (await circles.of("anna")).friends == {"ben"}
    stop()
    circles.changed("anna")
    assert told == [{"anna", "ben"}]


async def test_what_was_read_before_a_change_is_read_again() -> None:
    rows = Rows()
    rows.hold = asyncio.Event()
    circles = Circles(rows.load)
    readers = [asyncio.create_task(circles.of("anna")) for _ in range(3)]
    while rows.reads < 3:
        await asyncio.sleep(0)
    rows.friends["anna"] = frozenset({"ben"})
    circles.changed("anna")
    rows.hold.set()
    assert [circle.friends for circle in await asyncio.gather(*readers)] == [{"ben"}] * 3
    known = circles.known("anna")
    assert known is not None
    assert known.friends == {"ben"}


async def test_who_has_no_account_knows_nobody_and_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CIRCLES", 3)
    rows = Rows()
    circles = Circles(rows.load)
    assert await circles.of("") == circles.known("") == Circle()
    assert rows.reads == 0
    for number in range(5):
        await circles.of(str(number))
        await circles.of("0")  # in use
    assert [circles.known(str(number)) is not None for number in range(5)] == [True, False, False, True, True]
