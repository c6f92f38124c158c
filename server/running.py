"""The event loop of a command, until it is done or a signal ends it."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from server.log import get_logger

CLOSE_TIMEOUT = 10.0
"""Seconds after a signal at which the process ends, whatever still hangs."""

log = get_logger(__name__)

Result = TypeVar("Result")


def run_to_end(job: Coroutine[Any, Any, Result]) -> Result:
    """Run a job that ends by itself; SIGTERM ends it in good order, as Ctrl-C does. Raises KeyboardInterrupt then."""

    async def guarded() -> Result:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await job

    try:
        return asyncio.run(guarded())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def run(main: Callable[[asyncio.Event], Coroutine[Any, Any, int]]) -> int:
    """Run `main` on a loop of its own (uvloop where it works) with an event that signals set."""
    try:
        import uvloop

        factory: Callable[[], asyncio.AbstractEventLoop] | None = uvloop.new_event_loop
    except ImportError:
        factory = None
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(_until_signal(main))


async def _until_signal(main: Callable[[asyncio.Event], Coroutine[Any, Any, int]]) -> int:
    stop = asyncio.Event()
    closed = threading.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _on_signal, stop, closed)
    try:
        return await main(stop)
    finally:
        closed.set()


def _on_signal(stop: asyncio.Event, closed: threading.Event) -> None:
    if stop.is_set():  # asked twice: no more waiting
        os._exit(130)
    stop.set()
    patience = threading.Timer(CLOSE_TIMEOUT, _give_up, [closed])
    patience.daemon = True
    patience.start()


def _give_up(closed: threading.Event) -> None:
    # Recordings are on the disk up to the last second and closed at the next start; a download resumes.
    if not closed.is_set():
        log.error("something hangs; leaving without it")
    os._exit(0 if closed.is_set() else 1)
