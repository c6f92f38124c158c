"""The beat of the media host: every 10 ms, by the clock and not by counting sleeps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from server import metrics
from server.clock import HOP, SAMPLE_RATE, Clock
from server.log import get_logger

BURST = 4
"""Most ticks of one wake-up: after a stall the event loop still gets its turn between them."""

STALL = 3 * HOP
"""Samples behind schedule from which on it is called a stall."""

CATCH_BREATH = 0.005
"""Seconds between a stall and catching up: what came meanwhile lies in the sockets and is read first…"""
READING = 0.06
"""… which takes this share of the stall, about: half a second of packets is decoded in 30 ms."""
LONGEST_READING = 0.5
"""Seconds: sockets do not hold more than some seconds of packets."""

EARLY = 24
"""A timer that fires up to this many samples (0.5 ms) early counts as on time."""

log = get_logger(__name__)


class Ticker:
    """Calls `on_tick(now)` once for every 10 ms of `clock`, on the event loop.

    `now` is the moment that is due, in samples of the clock: it grows by exactly 480, never drifts, and after a
    stall every missed tick is made up for, at most `BURST` of them before other work of the loop gets its turn.
    """

    def __init__(self, clock: Clock, on_tick: Callable[[int], None]) -> None:
        self._clock = clock
        self._on_tick = on_tick
        self._due = 0
        self._catching_up = False
        self._timer: asyncio.Handle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Begin to tick; the first tick is 10 ms from now. Must be called on the event loop."""
        self._loop = asyncio.get_running_loop()
        self._due = self._clock.samples() + HOP
        self._schedule()

    def stop(self) -> None:
        """No tick comes after this."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._loop = None

    def _schedule(self) -> None:
        if self._loop is None:
            return
        wait = (self._due - self._clock.samples()) / SAMPLE_RATE
        if wait > 0:
            self._timer = self._loop.call_later(wait, self._wake)
        else:
            self._timer = self._loop.call_soon(self._wake)

    def _wake(self) -> None:
        now = self._clock.samples()
        late = max(0, now - self._due)
        if late >= STALL and not self._catching_up and self._loop is not None:
            metrics.LOOP_LAG.observe(late / SAMPLE_RATE)
            self._catching_up = True
            reading = min(LONGEST_READING, READING * late / SAMPLE_RATE)
            self._timer = self._loop.call_later(CATCH_BREATH + reading, self._wake)
            return
        if not self._catching_up:
            metrics.LOOP_LAG.observe(late / SAMPLE_RATE)
        self._catching_up = self._catching_up and late >= HOP
        for _ in range(BURST):
            if self._due > now + EARLY or self._loop is None:
                break
            due = self._due
            self._due += HOP
            try:
                self._on_tick(due)
            except Exception:  # the boundary of the beat: it must go on for everybody
                log.exception("a tick failed")
        self._schedule()
