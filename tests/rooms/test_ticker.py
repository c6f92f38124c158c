from __future__ import annotations

import asyncio
import time
from itertools import pairwise

from server.clock import HOP, SAMPLE_RATE, SystemClock
from server.rooms.ticker import BURST, Ticker
from tests.fakes import ManualClock


async def ticks_of(ticker: Ticker, ticks: list[int], count: int) -> None:
    ticker.start()
    async with asyncio.timeout(30):
        while len(ticks) < count:
            await asyncio.sleep(0.005)
    ticker.stop()


async def test_every_tick_is_one_hop_after_the_last_and_none_drifts() -> None:
    clock, ticks = SystemClock(), list[int]()
    began = clock.samples()
    await ticks_of(Ticker(clock, ticks.append), ticks, 50)
    assert {later - earlier for earlier, later in pairwise(ticks)} == {HOP}
    assert 0 <= ticks[0] - began - HOP < SAMPLE_RATE // 2
    assert clock.samples() >= ticks[-1] - 24


async def test_a_stall_is_made_up_for_in_small_steps() -> None:
    clock, ticks, turns = ManualClock(), list[int](), list[int]()
    ticker = Ticker(clock, ticks.append)
    ticker.start()
    clock.advance(100 * HOP)
    async with asyncio.timeout(30):
        while len(ticks) < 100:
            turns.append(len(ticks))
            await asyncio.sleep(0)
    ticker.stop()
    assert len(ticks) == 100
    assert ticks[-1] == clock.samples()
    assert max(later - earlier for earlier, later in pairwise(turns)) <= BURST


async def test_a_tick_that_fails_does_not_stop_the_beat() -> None:
    ticks: list[int] = []

    def fail_once(now: int) -> None:
        ticks.append(now)
        if len(ticks) == 2:
            raise ValueError("broken")

    await ticks_of(Ticker(SystemClock(), fail_once), ticks, 5)
    assert len(ticks) >= 5


async def test_nothing_comes_after_stop() -> None:
    ticks: list[int] = []
    ticker = Ticker(SystemClock(), ticks.append)
    ticker.start()
    ticker.stop()
    began = time.monotonic()
    await asyncio.sleep(0.05)
    assert time.monotonic() - began >= 0.05
    assert ticks == []
