"""Log lines: for people or for programs, with the ids of what they are about."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Iterator
from typing import TextIO

import pytest
import structlog

from server.log import WAITING, Outlet, configure_logging, drain, get_logger, say


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """What has been logged."""
    assert drain()
    return capsys.readouterr().err


def _fail() -> None:
    try:
        raise ValueError("no such hop")
    except ValueError:
        get_logger("test").exception("it failed")


def test_a_line_for_programs_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json")
    with structlog.contextvars.bound_contextvars(stream="s1", request="r1"):
        get_logger("test").info("began", listeners=3)
    line = json.loads(said(capsys))
    assert {"event", "level", "timestamp"} < set(line)
    assert (line["event"], line["stream"], line["request"], line["listeners"]) == ("began", "s1", "r1", 3)


def test_a_traceback_for_programs_stays_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json")
    _fail()
    line = json.loads(said(capsys))
    assert "ValueError: no such hop" in line["exception"]


def test_a_traceback_for_people_is_plain(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "console")
    _fail()
    text = said(capsys)
    assert "ValueError: no such hop" in text
    assert "│" not in text


def test_less_important_lines_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("warning", "console")
    get_logger("test").info("quiet")
    logging.getLogger("some.library").error("loud")
    logging.getLogger("aiortc").info("chatter")
    text = said(capsys)
    assert "quiet" not in text
    assert "chatter" not in text
    assert "loud" in text


def test_what_a_person_is_told_keeps_its_place_among_the_lines(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "console")
    get_logger("test").info("first")
    say("second")
    get_logger("test").info("third")
    lines = said(capsys).splitlines()
    assert [word in line for word, line in zip(("first", "second", "third"), lines, strict=True)] == [True] * 3
    assert lines[1] == "second"


@pytest.fixture
def pipe() -> Iterator[tuple[int, TextIO]]:
    """Both ends; whoever reads takes nothing until told."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        yield reading, stream
    os.close(reading)


def read_all(reading: int, outlet: Outlet) -> list[str]:
    """All lines that went in there, once the outlet has nothing left."""
    os.set_blocking(reading, False)
    data = b""
    while not outlet.drain(0.01):
        with contextlib.suppress(BlockingIOError):
            data += os.read(reading, 1 << 20)
    with contextlib.suppress(BlockingIOError):
        while more := os.read(reading, 1 << 20):
            data += more
    return data.decode().splitlines()


@pytest.mark.parametrize("blocking", [True, False])
def test_a_reader_who_stops_holds_nobody_up_and_is_told_what_was_lost(pipe: tuple[int, TextIO], blocking: bool) -> None:
    reading, stream = pipe
    os.set_blocking(stream.fileno(), blocking)
    outlet = Outlet(stream, limit=1000)
    before = WAITING.dropped
    for number in range(10_000):  # much more than a pipe and the queue hold; this would stand still
        outlet.write(f"{number:08} {'x' * 200}\n")
    assert not outlet.drain(0.05)
    counted = WAITING.dropped - before
    lines = read_all(reading, outlet)
    assert outlet.dropped == counted == 10_000 - len(lines) > 5_000
    numbers = [int(line.split()[0]) for line in lines]
    assert numbers == sorted(set(numbers))


def test_how_many_lines_were_lost_is_a_line_itself(pipe: tuple[int, TextIO], monkeypatch: pytest.MonkeyPatch) -> None:
    reading, stream = pipe
    monkeypatch.setattr("sys.stderr", stream)
    configure_logging("debug", "json")
    outlet = logging.getLogger().handlers[0].stream  # type: ignore[attr-defined]
    for _ in range(5_000):
        get_logger("test").debug("x" * 100)
    dropped = outlet.dropped
    assert dropped > 100
    told = [line for line in map(json.loads, read_all(reading, outlet)) if "were dropped" in line["event"]]
    assert sum(line["lines"] for line in told) == dropped


def test_a_reader_who_has_gone_is_no_failure(pipe: tuple[int, TextIO]) -> None:
    reading, stream = pipe
    os.dup2(os.open(os.devnull, os.O_RDONLY), reading)  # the pipe has no reader any more
    outlet = Outlet(stream)
    for _ in range(10):
        outlet.write("nobody hears this\n")
    assert outlet.drain()
    assert outlet.dropped == 10
