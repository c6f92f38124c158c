"""The port that the server listens on, and how many it lets in."""

from __future__ import annotations

import asyncio
import errno
import resource
import socket
from collections.abc import Iterable, Sequence
from typing import cast

from aiohttp import web

from server.errors import SettingsError, Unavailable
from server.queues import Policy, Queue
from server.web.address import Network, is_trusted, subnet

MAX_CONNECTIONS = 4096
CONNECTIONS = Queue(
    "connections",
    MAX_CONNECTIONS,
    Policy.NEWEST,
    holds="connections of pages and programs, those that are idle go after 75 s; at most half of all open files",
    drop="More than that came at once: they were answered 503 and asked to come again in 30 s.",
)

EACH = Queue(
    "connections_of_one",
    "CLEARCAST_MAX_CONNECTIONS_PER_ADDRESS",
    Policy.NEWEST,
    holds="connections of one address",
    drop="More than that came from one address at once: they were answered 429 and asked to come again in 30 s.",
)

_REFUSAL = "HTTP/1.1 {}\r\nRetry-After: 30\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Door:
    """Lets so many connections in at once. Files, the database and media need descriptors as well.

    `each` is how many of them one address may have, 0 for any number; `proxies` bring others' and are not counted.
    """

    def __init__(self, server: web.Server, each: int = 0, proxies: Sequence[Network] = ()) -> None:
        self._server = server
        self._each = each
        self._proxies = list(proxies)
        self._there: dict[str, list[asyncio.Transport]] = {}
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._limit = MAX_CONNECTIONS if files == resource.RLIM_INFINITY else min(MAX_CONNECTIONS, files // 2)
        CONNECTIONS.measure(server, lambda open_: len(open_.connections), self._limit)
        EACH.measure(self, Door.most, each)

    def __call__(self) -> asyncio.Protocol:
        """What talks to whoever has just connected."""
        if len(self._server.connections) >= self._limit:
            CONNECTIONS.dropped += 1
            return _Refusal("503 Service Unavailable")
        return _Threshold(self, self._server) if self._each else self._server()

    def most(self) -> int:
        """Connections of whoever has the most."""
        return max((len(found) for found in list(self._there.values())), default=0)

    def admits(self, transport: asyncio.Transport) -> bool:
        """Whether one more may come from where this one does; it is counted until it is closed."""
        peer = transport.get_extra_info("peername")
        address = peer[0] if isinstance(peer, tuple) else ""
        if not address or is_trusted(address, self._proxies):
            return True
        if len(self._there) > 2 * self._limit:
            self._there = {where: found for where, all_ in self._there.items() if (found := _open(all_))}
        there = self._there[subnet(address)] = _open(self._there.get(subnet(address), ()))
        if len(there) >= self._each:
            EACH.dropped += 1
            return False
        there.append(transport)
        return True


def _open(transports: Iterable[asyncio.Transport]) -> list[asyncio.Transport]:
    return [transport for transport in transports if not transport.is_closing()]


class _Threshold(asyncio.Protocol):
    """Looks where a connection comes from, and hands it on to the server or refuses it."""

    def __init__(self, door: Door, server: web.Server) -> None:
        self._door = door
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        coming = cast(asyncio.Transport, transport)
        next_ = self._server() if self._door.admits(coming) else _Refusal("429 Too Many Requests")
        coming.set_protocol(next_)
        next_.connection_made(coming)


class _Refusal(asyncio.Protocol):
    """Says that there is no room, and closes."""

    def __init__(self, status: str) -> None:
        self._answer = _REFUSAL.format(status).encode()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        writing = cast(asyncio.Transport, transport)
        writing.write(self._answer)
        writing.close()


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises Unavailable with what to do where the port cannot be had."""
    if not host:
        raise SettingsError("CLEARCAST_HOST: names no address; 127.0.0.1 is this machine, 0.0.0.0 every interface")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError):
        raise Unavailable(f"CLEARCAST_HOST: {host!r} is no address of this machine.", code="address") from None
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6 and host == "::":
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listening.bind(address)
        listening.listen(256)
    except OSError as error:
        listening.close()
        raise Unavailable(_why_not(error, host, port), code="port") from None
    listening.setblocking(False)
    return listening


def _why_not(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} of {host} is in use by another program. CLEARCAST_PORT or --port chooses another one."
    if error.errno == errno.EACCES:
        return f"Port {port} needs more rights than this account has. Ports from 1024 on do not."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is no address of this machine. CLEARCAST_HOST or --host chooses another one."
    return f"{host}:{port} cannot be listened on: {error.strerror}."
