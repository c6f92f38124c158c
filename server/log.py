"""Logging: structlog, lines for people or JSON, with the ids of what a line is about bound to it."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

Log = structlog.stdlib.BoundLogger


def configure_logging(level: str = "info", form: str = "console") -> None:
    """Send every log line of this process to stderr.

    `level` and `form` are the values of `CLEARCAST_LOG_LEVEL` and `CLEARCAST_LOG_FORMAT`.
    """
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
        formatting.append(structlog.processors.format_exc_info)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[*formatting, renderer])
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("aioice", "aiortc", "aiohttp.access", "alembic", "asyncio", "PIL", "libav"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))


def get_logger(name: str) -> Log:
    """The logger of one module; call with `__name__`."""
    log: Log = structlog.stdlib.get_logger(name)
    return log
