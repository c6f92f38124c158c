"""The log stays readable when something happens again and again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator

import pytest

from server.log_limit import KEYS, LINES, RateLimit


class Written(logging.Handler):
    """Keeps the lines that a limit lets through."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.levels: list[int] = []

    def emit(self, record: logging.LogRecord) -> None:
        event = record.msg["event"] if isinstance(record.msg, dict) else record.getMessage()
        self.lines.append(event)
        self.levels.append(record.levelno)


class Hours:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Hours:
    return Hours()


@pytest.fixture
def limit(clock: Hours) -> RateLimit:
    return RateLimit(times=3, seconds=60.0, clock=clock)


@pytest.fixture
def written(limit: RateLimit) -> Iterator[Written]:
    handler, root = Written(), logging.getLogger()
    handler.addFilter(limit)
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler
    root.removeHandler(handler)
    root.setLevel(level)
    if limit._timer is not None:
        limit._timer.cancel()


def test_the_same_again_and_again_is_counted_and_told_once(written: Written, limit: RateLimit, clock: Hours) -> None:
    log, before = logging.getLogger("test.flood"), LINES.dropped
    for number in range(315):
        log.warning("datagram %d dropped", number)
    assert written.lines == ["datagram 0 dropped", "datagram 1 dropped", "datagram 2 dropped"]
    assert LINES.dropped == before + 312
    limit.tell()
    assert len(written.lines) == 3  # the minute is not over
    clock.now = 60.0
    limit.tell()
    assert written.lines[3:] == ["… and 312 more: datagram %d dropped"]
    limit.tell()
    assert len(written.lines) == 4
    log.warning("datagram %d dropped", 400)
    assert written.lines[-1] == "datagram 400 dropped"


def test_errors_are_no_exception_and_the_summary_is_as_grave_as_they_were(
    written: Written, limit: RateLimit, clock: Hours
) -> None:
    log = logging.getLogger("test.flood")
    for _ in range(10):
        try:
            raise ValueError("no such hop")
        except ValueError:
            log.exception("it failed")
    clock.now = 61.0
    limit.tell()
    assert written.lines == ["it failed"] * 3 + ["… and 7 more: it failed"]
    assert written.levels[-1] == logging.ERROR


def test_others_are_not_silenced(written: Written) -> None:
    for _ in range(10):
        logging.getLogger("test.flood").warning("lost")
    logging.getLogger("test.other").warning("lost")
    logging.getLogger("test.flood").warning("found")
    assert written.lines == ["lost", "lost", "lost", "lost", "found"]


def test_lines_of_ours_are_told_apart_by_their_event(written: Written) -> None:
    log = logging.getLogger("test.flood")
    for number in range(10):
        log.info({"event": "stream", "stream": number})  # as structlog hands a line over
    assert written.lines == ["stream"] * 3


def test_who_asks_for_debug_lines_gets_them_all(written: Written) -> None:
    for _ in range(10):
        logging.getLogger("test.flood").debug("request")
    assert written.lines == ["request"] * 10


def test_a_quiet_minute_gives_the_allowance_back(written: Written, clock: Hours) -> None:
    log = logging.getLogger("test.flood")
    for minute in range(3):
        clock.now = 100.0 * minute
        for _ in range(3):
            log.info("stream")
    assert written.lines == ["stream"] * 9


def test_what_is_counted_is_bounded(written: Written, limit: RateLimit, clock: Hours) -> None:
    for number in range(10 * KEYS):
        logging.getLogger("test.flood").warning(f"line {number}")  # noqa: G004 - as libraries do
    assert len(written.lines) == KEYS + 3
    assert len(limit.lengths()) == KEYS + 1
    clock.now = 60.0
    limit.tell()
    assert written.lines[-1] == f"… and {10 * KEYS - KEYS - 3} more: other lines"
    assert limit.lengths() == []


def test_the_summary_comes_by_itself(written: Written) -> None:
    handler = Written()
    handler.addFilter(RateLimit(times=1, seconds=0.05))
    told = threading.Event()
    emit: Callable[[logging.LogRecord], None] = handler.emit

    def heard(record: logging.LogRecord) -> None:
        emit(record)
        if len(handler.lines) == 2:
            told.set()

    handler.emit = heard  # type: ignore[method-assign]
    log = logging.getLogger("test.alone")
    log.addHandler(handler)
    try:
        for _ in range(5):
            log.warning("lost")
        assert told.wait(10)
    finally:
        log.removeHandler(handler)
    assert handler.lines == ["lost", "… and 4 more: lost"]
