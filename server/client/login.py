"""`clearcast login` and `clearcast logout`: tokens of servers, in one file that only its owner can read.

A refresh token is good once, and used twice it ends the login. So whoever refreshes holds a lock, and looks first
whether another command has just done it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import getpass
import json
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

from yarl import URL

from server.client.signalling import http_session, post_json
from server.errors import ClearcastError, NotAuthenticated

EARLY_S = 60.0
"""A token is fetched anew so long before it ends."""
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def logins_file() -> Path:
    """Where logins are kept."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "clearcast" / "logins.json"


def login(options: argparse.Namespace) -> int:
    """Sign in to a server, for all commands from now on. Raises ClearcastError."""
    server = _address(options.server)
    if server.scheme == "http" and server.host not in LOOPBACK:
        print("This address is not encrypted: whoever is in between reads the password.", file=sys.stderr)
    asking = sys.stdin.isatty()
    name = options.name or (input("Name or e-mail address: ") if asking else sys.stdin.readline().strip())
    password = getpass.getpass("Password: ") if asking else sys.stdin.readline().rstrip("\r\n")
    client = f"clearcast on {socket.gethostname()}"[:80]
    wanted = {"name": name, "password": password, "client": client}
    found = asyncio.run(_post(server, "token", wanted, not options.insecure))
    with _locked():
        _write(_read() | {str(server): _entry(found)})
    print(f"Signed in to {server} as {found['name']}.")
    return 0


def logout(options: argparse.Namespace) -> int:
    """End the login of a server, there and here. Raises ClearcastError."""
    server = _address(options.server)
    with _locked():
        logins = _read()
        entry = logins.pop(str(server), None)
        _write(logins)
    if entry is None:
        print(f"You were not signed in to {server}.")
        return 0
    try:
        asyncio.run(_post(server, "token/revoke", {"refresh_token": entry["refresh_token"]}, not options.insecure))
    except ClearcastError as error:
        print(f"Forgotten here, but {server} was not told: {error.message}", file=sys.stderr)
        return 1
    print(f"Signed out of {server}.")
    return 0


class SavedLogin:
    """The tokens of one server, refreshed when they end."""

    def __init__(self, server: URL, verify: bool = True) -> None:
        self._server = server
        self._verify = verify

    @classmethod
    def of(cls, server: str, verify: bool = True) -> SavedLogin | None:
        """None where nobody has signed in to that server. Raises ClearcastError."""
        address = _address(server)
        return cls(address, verify) if str(address) in _read() else None

    async def current(self) -> str | None:
        entry = await asyncio.to_thread(self._entry)
        if entry is None:
            return None
        if entry["expires_at"] - EARLY_S > time.time():
            return str(entry["access_token"])
        return await self.renewed(str(entry["access_token"]))

    async def renewed(self, refused: str) -> str | None:
        async with _locked_beside():
            entry = await asyncio.to_thread(self._entry)
            if entry is None or entry["access_token"] != refused:  # signed out, or another command was faster
                return str(entry["access_token"]) if entry is not None else None
            try:
                wanted = {"refresh_token": entry["refresh_token"]}
                found = await _post(self._server, "token", wanted, self._verify)
            except NotAuthenticated:
                raise NotAuthenticated(
                    f"The login has ended. `clearcast login --server {self._server}` begins a new one."
                ) from None
            fresh = _entry(found)
            await asyncio.to_thread(lambda: _write(_read() | {str(self._server): fresh}))
            return str(fresh["access_token"])

    def _entry(self) -> Mapping[str, Any] | None:
        return _read().get(str(self._server))


def _address(server: str) -> URL:
    try:
        url = URL(server)
        if url.scheme in ("http", "https") and url.host:
            return url.origin()
    except ValueError:
        pass
    raise ClearcastError(f"{server!r} is not the address of a server; one looks like https://radio.example")


async def _post(server: URL, path: str, body: Mapping[str, Any], verify: bool) -> dict[str, Any]:
    async with http_session(None, verify) as http:
        return await post_json(http, f"{server}/api/v1/auth/{path}", body)


def _entry(found: Mapping[str, Any]) -> dict[str, Any]:
    try:
        kept: dict[str, Any] = {name: str(found[name]) for name in ("name", "access_token", "refresh_token")}
        return kept | {"expires_at": time.time() + float(found["expires_in"])}
    except (KeyError, TypeError, ValueError):
        raise ClearcastError("The server's answer makes no sense: it is no Clearcast server.") from None


def _read() -> dict[str, dict[str, Any]]:
    path = logins_file()
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {server: entry | {"expires_at": float(entry["expires_at"])} for server, entry in found.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        raise ClearcastError(f"{path} cannot be read: delete it and sign in again.") from None


def _write(logins: Mapping[str, Mapping[str, Any]]) -> None:
    """Whole or not at all, for its owner's eyes only."""
    path = logins_file()
    beside = path.with_suffix(".new")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.fchmod(descriptor, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(logins, file, indent=1)
        beside.replace(path)
    except OSError as error:
        raise ClearcastError(f"{path} cannot be written: {error.strerror}.") from None


@contextlib.contextmanager
def _locked() -> Iterator[None]:
    descriptor = _lock()
    try:
        yield
    finally:
        os.close(descriptor)


@contextlib.asynccontextmanager
async def _locked_beside() -> AsyncIterator[None]:
    descriptor = await asyncio.to_thread(_lock)
    try:
        yield
    finally:
        os.close(descriptor)


def _lock() -> int:
    """Waits for other commands."""
    path = logins_file().with_suffix(".lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ClearcastError(f"{path.parent} cannot be written to: {error.strerror}.") from None
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor
