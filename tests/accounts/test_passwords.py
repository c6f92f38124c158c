"""Passwords are hashed beside the event loop, for as long as the bar allows, and few at a time."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from server.accounts import passwords as module
from server.accounts.passwords import Passwords
from server.errors import Unavailable
from tests.people import cheap_passwords

BAR_S = 0.150
"""What a sign-in may take of a processor. Measured here with slack: the machine of a test is not the server's own."""
SLACK = 2


async def test_a_hash_at_the_default_cost_stays_below_the_bar_and_off_the_loop() -> None:
    passwords = Passwords()
    stored = await passwords.hash("twelve green boats")
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    threads: set[int] = set()
    spent: list[float] = []

    def measured() -> bool:
        began = time.thread_time()
        right = passwords._verify(stored, "twelve green boats")
        spent.append(time.thread_time() - began)
        threads.add(threading.get_ident())
        return right

    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.001)

    ticking = asyncio.create_task(tick())
    assert all([await passwords._run(measured) for _ in range(5)])
    ticking.cancel()
    await asyncio.gather(ticking, return_exceptions=True)
    passwords.close()
    assert threading.get_ident() not in threads
    assert ticks > 5  # other things happened meanwhile
    assert min(spent) <= SLACK * BAR_S


async def test_a_name_that_nobody_has_takes_as_long_as_a_wrong_password(monkeypatch: pytest.MonkeyPatch) -> None:
    passwords = Passwords()
    stored = await passwords.hash("twelve green boats")
    await passwords.warm_up()
    spent: list[float] = []
    verify = passwords._verify

    def measured(known: str, password: str) -> bool:
        began = time.thread_time()
        right = verify(known, password)
        spent.append(time.thread_time() - began)
        return right

    monkeypatch.setattr(passwords, "_verify", measured)
    for _ in range(6):
        assert not await passwords.verify(stored, "wrong")
        assert not await passwords.verify(None, "wrong")
    passwords.close()
    ratio = min(spent[1::2]) / min(spent[::2])
    assert 0.2 < ratio < 5  # without the dummy it would be a hundredth


async def test_a_hash_that_is_broken_or_of_another_kind_is_a_wrong_password() -> None:
    passwords = cheap_passwords()
    for stored in ("", "x", "$2b$12$abcdefghijklmnopqrstuv", "$argon2id$v=19$m=99999999999,t=1,p=1$YQ$YQ"):
        assert not await passwords.verify(stored, "twelve green boats")
    assert await passwords.verify(await passwords.hash("\ud800x"), "\ud800x")
    passwords.close()


async def test_more_at_once_than_there_is_room_for_are_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITING", 3)
    passwords, before, held = cheap_passwords(), module.CHECKS.dropped, threading.Event()
    busy = [asyncio.create_task(passwords._run(held.wait)) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable) as caught:
        await passwords.hash("twelve green boats")
    assert caught.value.retry_after
    held.set()
    await asyncio.gather(*busy)
    assert await passwords.hash("twelve green boats")
    assert module.CHECKS.dropped == before + 1
    passwords.close()
