"""People of a server with accounts: `Town` starts it, lets them in and gives each a client that is signed in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp

from server.accounts.passwords import Passwords
from server.app import Server
from server.config import load_settings
from tests.fakes import ScriptedDenoise

PASSWORD = "twelve green boats"


def cheap_passwords() -> Passwords:
    """argon2id for tests: as safe as a test has to be."""
    return Passwords(time_cost=1, memory_kib=8)


@dataclass(frozen=True)
class Person:
    """Somebody with an account, signed in."""

    id: str
    name: str
    me: dict[str, Any]
    http: aiohttp.ClientSession
    """Sends this person's cookie; addresses are relative to the server's."""

    @property
    def channel(self) -> str:
        """Address of the channel that this person began with."""
        return str(self.me["channel"])

    @property
    def cookie(self) -> str:
        """The session's token."""
        return next(cookie.value for cookie in self.http.cookie_jar)


class Town:
    """A server with accounts, and its people."""

    def __init__(self, server: Server, stack: AsyncExitStack) -> None:
        self.server = server
        self._stack = stack

    @property
    def services(self) -> Any:
        return self.server.services

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    async def client(self, **options: Any) -> aiohttp.ClientSession:
        """A browser of nobody, with cookies of its own."""
        jar = aiohttp.CookieJar(unsafe=True)  # cookies of addresses too
        return await self._stack.enter_async_context(aiohttp.ClientSession(self.url, cookie_jar=jar, **options))

    async def add(self, name: str, *, administrator: bool = False, **values: Any) -> Person:
        """A new account, signed in: the first of all is an administrator's, with or without being asked."""
        wanted = {"name": name, "password": PASSWORD, "display_name": name.capitalize(), **values}
        http = await self.client()
        first = await self.services.first.open()
        async with http.post(f"/api/v1/auth/{'first' if first else 'register'}", json=wanted) as response:
            me = await response.json()
            assert response.status == 201, me
        if administrator and not first:
            await self.services.store.users.change(me["id"], administrator=True)
            self.services.endings.tell(me["id"])
            me = await self.read(http)
        return Person(me["id"], me["name"], me, http)

    async def again(self, person: Person) -> Person:
        """The same person in another browser."""
        http = await self.client()
        async with http.post("/api/v1/auth/sign-in", json={"name": person.name, "password": PASSWORD}) as response:
            assert response.status == 200, await response.text()
        return replace(person, http=http)

    @staticmethod
    async def read(http: aiohttp.ClientSession) -> dict[str, Any]:
        """Who the server says the client is."""
        async with http.get("/api/v1/me") as response:
            found: dict[str, Any] = await response.json()
            assert response.status == 200, found
            return found


@asynccontextmanager
async def town(data_dir: Path, **settings: Any) -> AsyncIterator[Town]:
    """A server with accounts on a free port, registration open, with a scripted denoiser and everything else real."""
    chosen = {"data_dir": data_dir, "port": 0, "disk_reserve_mb": 0, "accounts": True, "registration": "open"}
    server = Server(load_settings(**(chosen | settings)), denoise=ScriptedDenoise(), passwords=cheap_passwords())
    await server.start()
    try:
        async with AsyncExitStack() as stack:
            yield Town(server, stack)
    finally:
        await server.close()
