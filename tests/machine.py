"""What this machine does not let one do, and how much it gets in the way of a measurement in real time."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from typing import NoReturn

import pytest

from tests.guards import leftover_tasks

STEP_S = 0.02
ROOT_ONLY = "needs root"
"""How the reasons of skips begin that `CLEARCAST_REQUIRE` allows: whoever tests may not be root."""


def skip_as_root_only(why: str) -> NoReturn:
    """Skip the test, whatever else is required."""
    pytest.skip(f"{ROOT_ONLY}: {why}")


async def once_in(tries: int, attempt: Callable[[int], Awaitable[None]]) -> None:
    """`attempt(number)`, again until it does not fail: for what is promised of a machine that others leave alone.

    The last failure is raised.
    """
    known = asyncio.all_tasks()
    for number in range(tries):
        try:
            return await attempt(number)
        except (AssertionError, TimeoutError):
            if number == tries - 1:
                raise
            await leftover_tasks(known, patience=0.1)  # nobody has stopped who talked and listened
    return None


class Stalls:
    """Watches from `start` to `stop` how long a thread that only wants to wake up is kept from it.

    `longest`, seconds: others used the machine, or it stood still. Whatever else had to happen then came as late.
    """

    def __init__(self) -> None:
        self.longest = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="stalls", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        slept = time.monotonic()
        while not self._over.wait(STEP_S):
            now = time.monotonic()
            self.longest = max(self.longest, now - slept - STEP_S)
            slept = now
