"""`clearcast demo`: a noisy talk, live on a channel of its own, for a first look; with accounts, among friends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from server.accounts.gate import local_actor
from server.accounts.opening import Accounts, open_accounts
from server.accounts.passwords import random_password
from server.accounts.users import NewUser
from server.app import Server, greet, prepare
from server.client import demo as sound
from server.clock import SystemClock
from server.config import Settings
from server.errors import ChannelLive, ClearcastError, Conflict, NotFound, Unavailable
from server.log import say
from server.running import run
from server.store.database import database_url
from server.store.ids import new_id
from server.store.people_records import User
from server.store.records import Channel
from server.store.store import Store

FRIENDS = ("anna", "ben")
"""One talks, the other listens."""
REMEMBERED = "demo.json"
"""Whose passwords the next demo may change: ids, in the data folder."""
ADDRESS = "demo"


@dataclass(frozen=True)
class Cast:
    """Who plays in the demo."""

    slug: str = "demo"
    token: str | None = None
    """With which the talker publishes; None where nobody signs in."""
    lines: tuple[str, ...] = ()
    """How to sign in as them."""


def demo(settings: Settings, *, self_signed: bool = False, snr: float = 5.0) -> int:
    """A noisy talk, live on a channel of its own, on this machine's server or on one of our own."""
    prepare(settings)
    return run(lambda stop: _demo(Server(sound.with_captions(settings), self_signed=self_signed), snr, stop))


async def _demo(server: Server, snr: float, stop: asyncio.Event) -> int:
    try:
        await server.start()
    except Unavailable as error:
        running_url = await sound.running_server(server.settings) if error.code == "port" else None
        if running_url is None:
            raise
        say(f"Using the server that runs at {running_url}")
        async with _records(server.settings) as records:
            cast = await _cast(server.settings, *records)
        return await _talk_elsewhere(running_url, cast, snr, stop)
    try:
        cast = await _cast(server.settings, server.services.accounts, server.services.store)
        server.first_link = await server.services.first.link()
        await asyncio.to_thread(greet, server)
        talking = asyncio.create_task(_talk(server.url, cast, snr))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({talking, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not stop.is_set():
            failure = talking.exception()
            say(failure.message if isinstance(failure, ClearcastError) else "The demo's stream has ended.")
            await stopping
        talking.cancel()
        await asyncio.gather(talking, return_exceptions=True)
    finally:
        await server.close()
    return 0


async def _talk_elsewhere(url: str, cast: Cast, snr: float, stop: asyncio.Event) -> int:
    """The demo on a server that is not ours: without its stream there is nothing to stay for."""
    talking = asyncio.create_task(_talk(url, cast, snr))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({talking, stopping}, return_when=asyncio.FIRST_COMPLETED)
    for task in (talking, stopping):
        task.cancel()
    (outcome, _) = await asyncio.gather(talking, stopping, return_exceptions=True)
    if isinstance(outcome, ChannelLive):
        say(f"The demo is live already: {url}/listen/{cast.slug}")
        return 0
    if isinstance(outcome, Exception):
        raise outcome
    if not stop.is_set():
        say("The demo's stream has ended.")
    return 0


async def _talk(url: str, cast: Cast, snr: float) -> None:
    def live(address: str) -> None:
        for line in cast.lines:
            say(line)
        say(f"Listen to the demo at {address}")

    await sound.talk(url, snr, live, token=cast.token, slug=cast.slug)


# Two friends


@contextlib.asynccontextmanager
async def _records(settings: Settings) -> AsyncIterator[tuple[Accounts, Store]]:
    """The accounts of a server that runs in another process."""
    store = Store(database_url(settings.database_url, settings.data_dir))
    try:
        await store.open()
        accounts = await open_accounts(settings, store, SystemClock())
        try:
            yield accounts, store
        finally:
            await accounts.close()
    finally:
        await store.close()


async def _cast(settings: Settings, accounts: Accounts, store: Store) -> Cast:
    """Two friends, one of whom has a channel for the demo; nobody, where there are no accounts.

    Those of an earlier demo play again, with other passwords.
    """
    if not settings.accounts:
        return Cast()
    path = settings.data_dir / REMEMBERED
    known = await asyncio.to_thread(_read, path)
    talker, listener = FRIENDS
    passwords = {name: random_password() for name in FRIENDS}
    users = {name: await _player(accounts, store, name, known.get(name, ""), passwords[name]) for name in FRIENDS}
    await asyncio.to_thread(path.write_text, json.dumps({name: user.id for name, user in users.items()}))
    now = datetime.now(UTC)
    await store.friends.ask(users[talker].id, users[listener].id, now)
    await store.friends.accept(users[listener].id, users[talker].id, now)
    token, _ = await accounts.keys.new_stream_key(users[talker].id)
    lines = (
        f"Two friends to sign in as: {users[talker].name} talks, {users[listener].name} listens",
        *(f"  {user.name:16}  password {passwords[name]}" for name, user in users.items()),
    )
    return Cast(await _channel(store, users[talker]), token, lines)


async def _player(accounts: Accounts, store: Store, name: str, known: str, password: str) -> User:
    """Who played the part before, or somebody new with that name or one like it."""
    try:
        user = await store.users.get(known)
    except NotFound:
        return await _newcomer(accounts, name, password)
    await accounts.people.set_password(local_actor(), user, password, ADDRESS)
    return user


async def _newcomer(accounts: Accounts, name: str, password: str) -> User:
    shown = f"{name.capitalize()} (demo)"
    for free in (name, f"{name}-demo", f"{name}-demo-{secrets.randbelow(10_000)}"):
        try:
            return await accounts.people.add(local_actor(), NewUser(free, password, shown), False, ADDRESS)
        except Conflict:
            continue
    raise Conflict(f"There is no free name for {shown}.")


async def _channel(store: Store, owner: User) -> str:
    """The address "demo" where it is, or can be, theirs; else the one that they began with."""
    channel = Channel(new_id(), "demo", "Demo", owner.display_name, owner.id, datetime.now(UTC))
    with contextlib.suppress(Conflict):
        await store.add_channel(channel)
    found = await store.channel_by_slug("demo")
    own = await store.users.channel(owner.id)
    return found.slug if found.owner == owner.id or own is None else own.slug


def _read(path: Path) -> dict[str, str]:
    """Ids by the name of the part; empty where nothing sensible is written."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}
