"""Logging: structlog, lines for people or JSON, with the ids of what a line is about bound to it."""

from __future__ import annotations

import atexit
import logging
import os
import select
import sys
import threading
from collections import deque
from collections.abc import Iterable
from functools import partial
from typing import Any, TextIO

import structlog

from server.log_limit import RateLimit
from server.masking import HIDDEN, SECRET_NAME, Masker
from server.queues import Policy, Queue

Log = structlog.stdlib.BoundLogger

MAX_WAITING = 2000
WAITING = Queue(
    "log",
    MAX_WAITING,
    Policy.NEWEST,
    holds="lines on their way to whoever reads the log",
    drop="Nobody reads stderr, or too slowly: a line in the log says how many are missing.",
)

LONGEST = 2000
"""Characters of one thing that a line tells; tracebacks aside."""

DRAIN_S = 1.0
"""How long the end of the program waits for lines that nobody takes."""


class Outlet:
    """A stream that never waits for its reader: what is written goes out from a thread of its own.

    A full pipe, or a terminal that somebody has stopped, would otherwise hold up the event loop.
    """

    def __init__(self, stream: TextIO, limit: int = MAX_WAITING) -> None:
        self.dropped = 0
        """Lines that found no room, or whose reader had gone."""
        self._stream = stream
        self._limit = limit
        self._lines: deque[str] = WAITING.watch(deque())
        self._changed = threading.Condition()
        self._writing = False
        self._untold = 0
        self._thread: threading.Thread | None = None

    def write(self, line: str) -> None:
        """Take a whole line, with its end."""
        with self._changed:
            if len(self._lines) >= self._limit:
                self._drop(1)
                return
            self._lines.append(line)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="log", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def flush(self) -> None:
        """Nothing: to wait is what must not be done here."""

    def drain(self, seconds: float = DRAIN_S) -> bool:
        """Wait until everything is out; False when it is not after so long."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._lines and not self._writing, seconds)

    def _drop(self, count: int) -> None:
        self.dropped += count
        self._untold += count
        WAITING.dropped += count

    def _run(self) -> None:
        while True:
            with self._changed:
                self._writing = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._lines)
                self._writing = True
                lines, untold = list(self._lines), self._untold
                self._lines.clear()
                self._untold = 0
            try:
                _write_all(self._stream, "".join(lines))
            except (OSError, ValueError):  # whoever read it has gone, or closed it
                with self._changed:
                    self._untold += untold
                    self._drop(len(lines))
                continue
            if untold:
                get_logger(__name__).warning("log lines were dropped because nobody took them", lines=untold)


def _write_all(stream: TextIO, text: str) -> None:
    """Past the stream's own buffer where there is a file below it: at the exit nobody may be holding its lock."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        stream.write(text)
        stream.flush()
        return
    data = text.encode("utf-8", "backslashreplace")
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:  # another program that has this pipe made it so
            ready = select.poll()
            ready.register(descriptor, select.POLLOUT)
            ready.poll()


def configure_logging(level: str = "info", form: str = "console", secrets: Iterable[str] = ()) -> None:
    """Send every log line of this process to stderr, without ever waiting for whoever reads it.

    `level` and `form` are the values of `CLEARCAST_LOG_LEVEL` and `CLEARCAST_LOG_FORMAT`. `secrets` never appear in a
    line, nor does what looks like one; a line that comes too often is written a few times and then counted.
    """
    masker = Masker(secrets)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso" if form == "json" else "%H:%M:%S", utc=form == "json"),
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            # The prettier ones colour source code for a quarter of a second, on the event loop.
            exception_formatter=structlog.dev.plain_traceback,
        )
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    formatting: list[Any] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if form == "json":
        formatting += [structlog.processors.format_exc_info, partial(_mask, masker), renderer]
    else:
        formatting += [partial(_mask, masker), renderer, partial(_mask_text, masker)]
    atexit.unregister(drain)
    atexit.register(drain)
    handler = logging.StreamHandler(Outlet(sys.stderr))
    handler.addFilter(RateLimit())
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=formatting))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("aioice", "aiortc", "aiohttp.access", "alembic", "asyncio", "PIL", "libav"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))


def _mask(masker: Masker, _logger: Any, _method: str, line: dict[str, Any]) -> dict[str, Any]:
    """What a line carries, before it is coloured or quoted."""
    return {name: _shown(masker, name, value) for name, value in line.items()}


def _shown(masker: Masker, name: str, value: Any) -> Any:
    if name in ("exc_info", "stack_info") or value is None or isinstance(value, bool):
        return value
    if SECRET_NAME.search(name):
        return HIDDEN
    if isinstance(value, dict):
        return {key: _shown(masker, str(key), part) for key, part in value.items()}
    if isinstance(value, list | tuple | set):
        return [_shown(masker, name, part) for part in value]
    return value if isinstance(value, int | float) else _text(masker, str(value), name != "exception")


def _text(masker: Masker, text: str, cut: bool) -> str:
    if cut and len(text) > LONGEST:
        return f"{masker.text(text[:LONGEST])}… ({len(text)} characters)"
    return masker.text(text)


def _mask_text(masker: Masker, _logger: Any, _method: str, text: str) -> str:
    """The whole of a line for people: its traceback too."""
    return masker.text(text)


def get_logger(name: str) -> Log:
    """The logger of one module; call with `__name__`."""
    log: Log = structlog.stdlib.get_logger(name)
    return log


def say(line: str) -> None:
    """One line for the person at the terminal, the way that log lines go."""
    outlet = _outlet()
    if outlet is None:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()
    else:
        outlet.write(line + "\n")


def drain() -> bool:
    """Wait until all lines so far are out; False when nobody takes them. Not for the event loop."""
    for handler in logging.getLogger().handlers:
        for limit in handler.filters:
            if isinstance(limit, RateLimit):
                limit.tell(all_of_it=True)
    outlet = _outlet()
    return outlet is None or outlet.drain()


def _outlet() -> Outlet | None:
    streams = [handler.stream for handler in logging.getLogger().handlers if isinstance(handler, logging.StreamHandler)]
    return next((stream for stream in streams if isinstance(stream, Outlet)), None)
