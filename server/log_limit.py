"""A log in which one thing that happens again and again does not bury everything else."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from server.queues import Policy, Queue

TIMES = 30
"""Lines of one logger with one text that are written in `SECONDS`; the rest is counted."""
SECONDS = 60.0
KEYS = 500
"""Different lines that are counted apart; beyond that all others together are one kind."""
LONGEST = 100
"""Characters by which one text is told from another."""

LINES = Queue(
    "log_lines",
    TIMES,
    Policy.NEWEST,
    holds="lines of one kind that were logged within a minute; debug lines aside",
    drop="The same happens again and again: a line at the end of the minute says how often.",
)

Key = tuple[str, str]
OTHERS: Key = (__name__, "other lines")


@dataclass(slots=True)
class _Count:
    began: float
    level: int
    written: int = 0
    held_back: int = 0


class RateLimit(logging.Filter):
    """Lets `times` lines of each kind through in `seconds`, whatever their level, and then says how many more came.

    For a handler. Debug lines pass: whoever asks for them wants them all. Safe in any thread; `clock` gives seconds.
    """

    def __init__(
        self, times: int = TIMES, seconds: float = SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._times = times
        self._seconds = seconds
        self._clock = clock
        self._counts: dict[Key, _Count] = {}
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        LINES.measure(self, RateLimit.lengths)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this line is written."""
        if record.levelno <= logging.DEBUG or getattr(record, "is_summary", False):
            return True
        now = self._clock()
        with self._lock:
            self._make_room(now)
            count = self._count(_key(record), now)
            count.level = max(count.level, record.levelno)
            if count.written < self._times:
                count.written += 1
                return True
            count.held_back += 1
            LINES.dropped += 1
            self._look_later(count.began + self._seconds - now)
        return False

    def tell(self, *, all_of_it: bool = False) -> None:
        """Write what was held back in minutes that are over; `all_of_it`: in the present ones too."""
        now = self._clock()
        with self._lock:
            self._timer = None
            over = [key for key, count in self._counts.items() if all_of_it or now - count.began >= self._seconds]
            told = [(key, self._counts.pop(key)) for key in over]
            waiting = [count.began + self._seconds - now for count in self._counts.values() if count.held_back]
            if waiting:
                self._look_later(min(waiting))
        for (name, text), count in told:
            if count.held_back:
                more = (count.held_back, text)
                logging.getLogger(name).log(count.level, "… and %d more: %s", *more, extra={"is_summary": True})

    def lengths(self) -> list[int]:
        """Lines of each kind that were written in its minute."""
        with self._lock:
            return [count.written for count in self._counts.values()]

    def _make_room(self, now: float) -> None:
        if len(self._counts) >= KEYS:
            for key in [key for key, count in self._counts.items() if now - count.began >= self._seconds]:
                if not self._counts[key].held_back:
                    del self._counts[key]

    def _count(self, key: Key, now: float) -> _Count:
        count = self._counts.get(key)
        if count is None:
            key = key if len(self._counts) < KEYS else OTHERS
            count = self._counts.get(key)
        if count is None:
            count = self._counts[key] = _Count(now, logging.NOTSET)
        elif now - count.began >= self._seconds and not count.held_back:
            count.began, count.written, count.level = now, 0, logging.NOTSET
        return count

    def _look_later(self, seconds: float) -> None:
        if self._timer is None:
            self._timer = threading.Timer(max(0.0, seconds) + 0.01, self.tell)
            self._timer.daemon = True
            self._timer.start()


def _key(record: logging.LogRecord) -> Key:
    """What makes two lines the same kind: the text without what it is filled with."""
    event = record.msg.get("event", "") if isinstance(record.msg, dict) else record.msg
    return record.name, str(event)[:LONGEST]
