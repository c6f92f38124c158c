"""A whole server on which people upload, and whose jobs nobody does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from server.app import Server
from tests.serving import http, server
from tests.serving import start as start_whole

__all__ = ["http", "server", "start_whole"]


@pytest.fixture
def start(start_whole: Callable[..., Any]) -> Callable[..., Any]:
    """`await start(field=value, …)` starts a server with those settings."""

    async def make(**values: Any) -> Server:
        made: Server = await start_whole(**values)
        made.services.jobs._process.start = lambda: None  # type: ignore[method-assign]
        return made

    return make
