"""Ports and peers that are closed after a test, however it ended."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol, TypeVar

import pytest

from server.rtc.udp import UdpPort
from tests.rtc.ports import Open


class Closable(Protocol):
    """What has to be closed, once or more often."""

    def close(self) -> Awaitable[None] | None: ...


C = TypeVar("C", bound=Closable)
Closing = Callable[[C], C]


def nothing() -> list[str]:
    return []


@pytest.fixture
async def open_port() -> AsyncIterator[Open]:
    """`await open_port(…)` opens a port, on loopback alone unless told otherwise; closed after the test."""
    ports: list[UdpPort] = []

    async def open_one(number: int = 0, **options: Any) -> UdpPort:
        ports.append(await UdpPort.open(number, **{"local_addresses": nothing, **options}))
        return ports[-1]

    yield open_one
    for port in ports:
        port.close()


@pytest.fixture
async def closing(open_port: Open) -> AsyncIterator[Callable[[C], C]]:
    """`closing(peer)` gives the peer back and closes it after the test, before the ports: failing asserts too."""
    opened: list[Closable] = []

    def keep(peer: C) -> C:
        opened.append(peer)
        return peer

    yield keep
    for peer in reversed(opened):
        closed = peer.close()
        if closed is not None:
            await closed
