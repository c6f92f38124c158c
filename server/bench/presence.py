"""How soon friends see that somebody came or went: `clearcast bench presence`.

A server of its own, in one process, with people who are all connected by real sockets and follow their friends. Others
come and go, one after the other; each has friends among those who are there. What counts is the time from before the
socket of one is opened to the event on the socket of the other; for who goes, from the end of the time in which they
could have come back. Meanwhile the server is asked how it is, which takes as long as its event loop is busy.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

from server.accounts.credentials import Credential, fingerprint
from server.accounts.presence import GRACE
from server.bench.common import emit, note
from server.bench.local import local_server
from server.errors import Unavailable
from server.store.database import database_url
from server.store.ids import new_id
from server.store.people_records import User
from server.store.records import Channel
from server.store.sessions import Session
from server.store.store import Store

BAR_MS = 500.0
PATIENCE = 15.0
LATEST = 3.0
"""Seconds after which an event counts as one that never came."""
ASK_EVERY = 0.05
COOKIE = "clearcast_session"


class Person:
    """Somebody of the bench: who they are, and what they have been told."""

    def __init__(self, number: int) -> None:
        self.id = new_id()
        self.name = f"person{number}"
        self.token = Credential.SESSION.new()
        self.friends: list[Person] = []
        self.seen: dict[tuple[str, str], float] = {}
        """When a friend's presence was told, by friend and presence."""

    async def connect(self, http: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
        socket = await http.ws_connect("/api/v1/events", headers={"Cookie": f"{COOKIE}={self.token}"})
        await socket.send_json({"type": "subscribe", "topics": [{"topic": "friends"}]})
        return socket

    async def listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            event = json.loads(message.data)
            if event["type"] == "presence":
                self.seen[event["data"]["id"], event["data"]["presence"]] = time.perf_counter()


async def settle(folder: Path, there: Sequence[Person], comers: Sequence[Person], friends: int) -> None:
    """Write people, their sessions and friendships into the database of a server that is about to start."""
    store = Store(database_url(None, folder))
    await store.open()
    now = datetime.now(UTC)
    for person in (*there, *comers):
        home = Channel(new_id(), person.name, person.name, person.name, person.id, now)
        await store.users.add(User(person.id, person.name, person.name, now), "none fits", home, now=now)
        session = Session(new_id(), person.id, now, now, now + timedelta(days=1), "bench", "127.0.0.1")
        await store.sessions.add(session, fingerprint(person.token), 2)
    for number, person in enumerate(comers):
        for step in range(friends):
            other = there[(number * friends + step) % len(there)]
            await store.friends.ask(person.id, other.id, now)
            await store.friends.accept(other.id, person.id, now)
            person.friends.append(other)
    await store.close()


async def measure(users: int, friends: int, changes: int, every: float) -> dict[str, Any]:
    """The JSON object of the bench."""
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="clearcast-presence-"))
    there = [Person(number) for number in range(users)]
    comers = [Person(users + number) for number in range(changes)]
    note(f"writing down {users + changes} people …")
    try:
        await settle(folder, there, comers, friends)
        settings: dict[str, Any] = {"accounts": "true", "denoise": "off", "captions": "false", "rate_limits": "off"}
        async with local_server(folder, **settings) as server, AsyncExitStack() as stack:
            connector = aiohttp.TCPConnector(limit=0)
            http = await stack.enter_async_context(aiohttp.ClientSession(server.url, connector=connector))
            listening = [await _follow(http, person) for person in there]
            note(f"{users} are connected")
            answers: list[float] = []
            listening.append(asyncio.create_task(_ask(http, answers)))
            told, gone = await _come_and_go(http, comers, every)
            for task in listening:
                task.cancel()
            await asyncio.gather(*listening, return_exceptions=True)
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    return _figures(users, friends, changes, told, gone, answers)


async def _follow(http: aiohttp.ClientSession, person: Person) -> asyncio.Task[None]:
    socket = await person.connect(http)
    first = await socket.receive_json(timeout=PATIENCE)
    if first["type"] != "snapshot":
        raise Unavailable(f"The server does not tell of friends: {first}")
    return asyncio.create_task(person.listen(socket))


async def _ask(http: aiohttp.ClientSession, answers: list[float]) -> None:
    """Seconds that answers take which need nothing but the event loop."""
    while True:
        began = time.perf_counter()
        async with http.get("/health/live") as response:
            await response.read()
        answers.append(time.perf_counter() - began)
        await asyncio.sleep(ASK_EVERY)


async def _come_and_go(
    http: aiohttp.ClientSession, comers: Sequence[Person], every: float
) -> tuple[list[float], list[float]]:
    """Seconds until each friend of each was told that they are there, and that they are gone."""
    began: dict[str, float] = {}
    ended: dict[str, float] = {}
    sockets = []
    for person in comers:
        began[person.id] = time.perf_counter()
        sockets.append(await person.connect(http))
        await asyncio.sleep(every)
    await asyncio.sleep(2 * every)
    for person, socket in zip(comers, sockets, strict=True):
        await socket.close()
        ended[person.id] = time.perf_counter() + GRACE
        await asyncio.sleep(every)
    note(f"everybody came and went; they count as gone {GRACE:.0f} s later")
    await asyncio.sleep(GRACE + LATEST)
    return _delays(comers, "online", began), _delays(comers, "offline", ended)


def _delays(comers: Sequence[Person], presence: str, since: dict[str, float]) -> list[float]:
    """What never came is infinitely late."""
    return [
        friend.seen.get((person.id, presence), float("inf")) - since[person.id]
        for person in comers
        for friend in person.friends
    ]


def _figures(
    users: int, friends: int, changes: int, told: list[float], gone: list[float], answers: list[float]
) -> dict[str, Any]:
    def at(seconds: list[float], percent: float) -> float:
        return round(1000 * float(np.percentile(seconds, percent, method="higher")), 1)

    missing = sum(not np.isfinite(delay) for delay in (*told, *gone))
    p95 = max(at(told, 95), at(gone, 95))
    return {
        "connected": users,
        "friends_of_each": friends,
        "changes": 2 * changes,
        "told": len(told) + len(gone) - missing,
        "never_told": missing,
        "online_p50_ms": at(told, 50),
        "online_p95_ms": at(told, 95),
        "offline_p50_ms": at(gone, 50),
        "offline_p95_ms": at(gone, 95),
        "other_requests_p50_ms": at(answers, 50),
        "other_requests_p99_ms": at(answers, 99),
        "bar_ms": BAR_MS,
        "holds": p95 <= BAR_MS and not missing,
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("--users", type=int, default=500, help="people who are connected all the time")
    parser.add_argument("--friends", type=int, default=20, help="of each who comes and goes")
    parser.add_argument("--changes", type=int, default=100, help="people who come and go")
    parser.add_argument("--every", type=float, default=0.1, help="seconds between two of them")


def run(arguments: argparse.Namespace) -> int:
    """Measure and print; 1 where it takes longer than it may."""
    result = asyncio.run(measure(arguments.users, arguments.friends, arguments.changes, arguments.every))
    emit(result, arguments)
    return 0 if result["holds"] else 1
