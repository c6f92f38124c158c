"""The port that the server listens on."""

from __future__ import annotations

import errno
import socket

from server.errors import SettingsError, Unavailable


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
