"""How many pages of lists one core answers in a second: `clearcast bench lists`.

A server of its own with one person who has friends, channels and recordings, of whose friends half of the recordings
are. Pages are asked for with that person's session, by several clients at once, from this process. What counts is the
processor time that the server's process takes, all of its threads together, so that it does not matter what else the
machine does.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

from server.accounts.credentials import Credential, fingerprint
from server.bench.common import emit, note
from server.bench.local import local_server
from server.errors import Unavailable
from server.store.database import database_url
from server.store.ids import new_id
from server.store.people_records import Access, AccessRule, User
from server.store.records import Channel, Recording, RecordingState, StoredStream
from server.store.sessions import Session
from server.store.store import Store

BAR = 200.0
"""Requests for each second of processor time."""
PAGE = 20
"""Items of a page for which the bar holds."""
LISTS = ("recordings", "streams", "channels", "friends")
COOKIE = "clearcast_session"
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Amounts:
    """What there is to be listed."""

    recordings: int
    channels: int
    friends: int


async def settle(folder: Path, amounts: Amounts) -> str:
    """Write all of it into the database of a server that is about to start; the token of a session."""
    store = Store(database_url(None, folder))
    await store.open()
    now = datetime.now(UTC)
    anna, *friends = [
        User(new_id(), f"person{number}", f"Person {number}", now) for number in range(amounts.friends + 1)
    ]
    homes = {}
    for person in (anna, *friends):
        homes[person.id] = Channel(new_id(), person.name, person.display_name, person.display_name, person.id, now)
        await store.users.add(person, "none fits", homes[person.id], now=now)
    for friend in friends:
        await store.friends.ask(anna.id, friend.id, now)
        await store.friends.accept(friend.id, anna.id, now)
    for number in range(1, amounts.channels):
        name = f"room-{number}"
        await store.add_channel(Channel(new_id(), name, name, anna.display_name, anna.id, now))
    for number in range(amounts.recordings):
        owner = friends[number % len(friends)] if friends and number % 2 else anna
        await _record(store, owner, homes[owner.id], now - timedelta(minutes=number))
    token = Credential.SESSION.new()
    session = Session(new_id(), anna.id, now, now, now + timedelta(days=1), "bench", "127.0.0.1")
    await store.sessions.add(session, fingerprint(token), 1)
    await store.close()
    return token


async def _record(store: Store, owner: User, home: Channel, at: datetime) -> None:
    id_, host = new_id(), owner.display_name
    await store.save_stream(StoredStream(id_, home.id, owner.id, host, "A talk", "ended", at, at))
    await store.save_recording(Recording(id_, id_, "A talk", host, owner.id, "", "", at, RecordingState.READY))
    rule = AccessRule(Access.FRIENDS)
    await store.access.put_all({("stream", id_): rule, ("recording", id_): rule})


def processor_seconds(pid: int) -> float:
    """Processor time that a process has taken until now: proc(5), fields 14 and 15 of `stat`."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def measure(amounts: Amounts, limit: int, clients: int, requests: int) -> dict[str, Any]:
    """The JSON object of the bench."""
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="clearcast-lists-"))
    note(f"writing down {amounts.recordings} recordings and {amounts.friends} friends …")
    try:
        token = await settle(folder, amounts)
        settings: dict[str, Any] = {"accounts": "true", "denoise": "off", "captions": "false", "rate_limits": "off"}
        async with (
            local_server(folder, **settings) as server,
            aiohttp.ClientSession(server.url, headers={"Cookie": f"{COOKIE}={token}"}) as http,
        ):
            found = {}
            for name in LISTS:
                path = f"/api/v1/{name}?limit={limit}"
                await _ask(http, path, clients, clients)  # statements are put together the first time
                before, began = processor_seconds(server.process.pid), time.perf_counter()
                await _ask(http, path, clients, requests)
                wall, taken = time.perf_counter() - began, processor_seconds(server.process.pid) - before
                note(
                    f"{name}: {requests} pages took {taken:.2f} s of the server's processor time, {wall:.2f} s by clock"
                )
                found[name] = requests / max(taken, 1 / TICKS)
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    return figures(amounts, limit, clients, found)


async def _ask(http: aiohttp.ClientSession, path: str, clients: int, requests: int) -> None:
    """Ask for a page so many times. Raises Unavailable where the answer is no page with something on it."""

    async def client(turns: Iterator[int]) -> None:
        for _ in turns:
            async with http.get(path) as response:
                page = await response.read()
            if response.status != 200 or page.startswith(b'{"items":[]'):
                raise Unavailable(f"{path} was answered {response.status}: {page[:200]!r}")

    turns = iter(range(requests))
    await asyncio.gather(*(client(turns) for _ in range(clients)))


def figures(amounts: Amounts, limit: int, clients: int, found: dict[str, float]) -> dict[str, Any]:
    """What is printed. The bar is for pages of `PAGE` items; of longer ones it is told only what they take."""
    return {
        "recordings": amounts.recordings,
        "channels": amounts.channels,
        "friends": amounts.friends,
        "items_of_a_page": limit,
        "clients": clients,
        **{f"{name}_per_core_second": round(rate, 1) for name, rate in found.items()},
        "bar_per_core_second": BAR if limit <= PAGE else None,
        "holds": limit > PAGE or min(found.values()) >= BAR,
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("--recordings", type=int, default=100, help="half of them are of friends")
    parser.add_argument("--channels", type=int, default=41)
    parser.add_argument("--friends", type=int, default=40)
    parser.add_argument("--limit", type=int, default=PAGE, help="items of a page")
    parser.add_argument("--clients", type=int, default=8, help="that ask at once")
    parser.add_argument("--requests", type=int, default=1_000, help="of each list")


def run(arguments: argparse.Namespace) -> int:
    """Measure and print; 1 where it takes longer than it may."""
    amounts = Amounts(arguments.recordings, arguments.channels, arguments.friends)
    result = asyncio.run(measure(amounts, arguments.limit, arguments.clients, arguments.requests))
    emit(result, arguments)
    return 0 if result["holds"] else 1
