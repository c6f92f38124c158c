"""The port that the server listens on, and how many it lets in."""

from __future__ import annotations

import asyncio
import errno
import resource
import socket
from typing import cast

from aiohttp import web

from server.errors import SettingsError, Unavailable
from server.queues import Policy, Queue

MAX_CONNECTIONS = 4096
CONNECTIONS = Queue(
    "connections",
    MAX_CONNECTIONS,
    Policy.NEWEST,
    holds="connections of pages and programs, those that are idle go after 75 s; at most half of all open files",
    drop="More than that came at once: they were answered 503 and asked to come again in 30 s.",
)

_FULL = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 30\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Door:
    """Lets so many connections in at once. Files, the database and media need descriptors as well."""

    def __init__(self, server: web.Server) -> None:
        self._server = server
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._limit = MAX_CONNECTIONS if files == resource.RLIM_INFINITY else min(MAX_CONNECTIONS, files // 2)
        CONNECTIONS.measure(server, lambda open_: len(open_.connections), self._limit)

    def __call__(self) -> asyncio.Protocol:
        """What talks to whoever has just connected."""
        if len(self._server.connections) >= self._limit:
            CONNECTIONS.dropped += 1
            return _Full()
        return self._server()


class _Full(asyncio.Protocol):
    """Says that there is no room, and closes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        writing = cast(asyncio.Transport, transport)
        writing.write(_FULL)
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
