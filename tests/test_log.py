"""Log lines: for people or for programs, with the ids of what they are about."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from server.log import configure_logging, get_logger


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    before = structlog.get_config()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.configure(**before)
    root.handlers[:] = handlers
    root.setLevel(level)


def _fail() -> None:
    try:
        raise ValueError("no such hop")
    except ValueError:
        get_logger("test").exception("it failed")


def test_a_line_for_programs_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json")
    with structlog.contextvars.bound_contextvars(stream="s1", request="r1"):
        get_logger("test").info("began", listeners=3)
    line = json.loads(capsys.readouterr().err)
    assert {"event", "level", "timestamp"} < set(line)
    assert (line["event"], line["stream"], line["request"], line["listeners"]) == ("began", "s1", "r1", 3)


def test_a_traceback_for_programs_stays_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json")
    _fail()
    line = json.loads(capsys.readouterr().err)
    assert "ValueError: no such hop" in line["exception"]


def test_a_traceback_for_people_is_plain(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "console")
    _fail()
    text = capsys.readouterr().err
    assert "ValueError: no such hop" in text
    assert "│" not in text


def test_less_important_lines_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("warning", "console")
    get_logger("test").info("quiet")
    logging.getLogger("some.library").error("loud")
    logging.getLogger("aiortc").info("chatter")
    text = capsys.readouterr().err
    assert "quiet" not in text
    assert "chatter" not in text
    assert "loud" in text
