"""The audit log: written beside, bounded, and kept for as long as the setting says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from server.accounts import audit as module
from server.accounts.audit import AuditBook
from server.accounts.gate import NOBODY, Actor, Role
from server.errors import Unavailable
from server.store.audit import AuditEntry
from server.store.store import Store
from tests.accounts.conftest import MovableClock

ANNA = Actor("anna", "Anna", Role.MEMBER)


@pytest.mark.parametrize("pause", [lambda: asyncio.sleep(0), lambda: asyncio.sleep(0.05)])
async def test_whatever_was_put_is_there_after_closing(
    store: Store, clock: MovableClock, pause: Callable[[], object]
) -> None:
    for number in range(5):
        book = AuditBook(store, clock, 180)
        book.start()
        book.put(ANNA, "sign-in", "user", f"u{number}", "192.0.2.1")
        await pause()  # type: ignore[misc]
        book.put(NOBODY, "sign-in", "user", f"u{number}", "192.0.2.1", "wrong-credentials", "x" * 5_000)
        async with asyncio.timeout(30):
            await book.close()
    found = await store.audit.page()
    assert found.total == 10
    assert max(len(entry.detail) for entry in found.items) == 500


async def test_what_is_too_old_goes(store: Store, clock: MovableClock) -> None:
    book = AuditBook(store, clock, 30)
    book.put(ANNA, "sign-in", "user", "anna", "")
    await book.settle()
    clock.forward(days=29)
    book.put(ANNA, "sign-out", "session", "s", "")
    await book.settle()
    clock.forward(days=2)
    again = AuditBook(store, clock, 30)
    again.start()
    async with asyncio.timeout(30):
        while (await store.audit.page()).total == 2:
            await asyncio.sleep(0.01)
    await again.close()
    assert [entry.action for entry in (await store.audit.page()).items] == ["sign-out"]


async def test_a_database_that_takes_nothing_loses_the_oldest_and_counts_them(
    store: Store, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAITING", 20)
    book, add, before = AuditBook(store, clock, 30), store.audit.add, module.ENTRIES.dropped

    async def refuse(_entries: list[AuditEntry]) -> None:
        raise Unavailable("locked")

    monkeypatch.setattr(store.audit, "add", refuse)
    for number in range(30):
        book.put(ANNA, "sign-in", "user", str(number), "")
        if number == 10:
            assert not await book.settle()
    assert not await book.settle()
    monkeypatch.setattr(store.audit, "add", add)
    assert await book.settle()
    found = await store.audit.page(actor="anna", action="sign-in", since=clock.wall() - timedelta(days=1))
    assert {entry.subject for entry in found.items} == {str(number) for number in range(10, 30)}
    assert module.ENTRIES.dropped - before == 10
