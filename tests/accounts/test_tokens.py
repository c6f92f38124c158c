"""Programs that sign in, and keys: given out once, good for what they say, ended for good."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from server.accounts import Action, Actor, Role, Scope, admit
from server.accounts.credentials import Credential
from server.accounts.endings import Endings
from server.accounts.keys import Keys, stream_credential
from server.accounts.known import MOST, SECONDS, KnownActors
from server.accounts.signing import LIFETIME, SigningKeys
from server.accounts.tokens import ABSOLUTE, FOR_PROGRAMS, IDLE, Granted, Tokens
from server.clock import SystemClock
from server.errors import Conflict, InvalidRequest, NotAllowed, NotAuthenticated, NotFound
from server.store import keys
from server.store.database import database_url, migrate
from server.store.people_records import User
from server.store.people_schema import ApiKeyRow, RefreshTokenRow, UserRow
from server.store.store import Store

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Clock:
    """Time that stands until a test moves it."""

    def __init__(self) -> None:
        self.now = START

    def samples(self) -> int:
        return 0

    def wall(self) -> datetime:
        return self.now


class World:
    """Anna, who has an account, and all that gives out and knows tokens."""

    def __init__(self, store: Store, signing: SigningKeys) -> None:
        self.store, self.clock, self.signing = store, Clock(), signing
        self.endings = Endings()
        self.ended: list[tuple[str, str]] = []
        self.endings.subscribe(lambda user, credential: self.ended.append((user, credential)))
        self.tokens = Tokens(store, self.clock, self.signing, self.endings)
        self.keys = Keys(store, self.clock, self.endings)
        self.anna = User("anna", "anna", "Anna", START)

    async def add(self, user: User) -> None:
        async with self.store._database.write() as session:
            session.add(
                UserRow(
                    **{name: getattr(user, name) for name in ("id", "name", "display_name", "administrator")},
                    created_at=START,
                    password="x",
                    bio="",
                    preferences={},
                )
            )

    async def keep_out(self, user_id: str) -> None:
        async with self.store._database.write() as session:
            row = await session.get(UserRow, user_id)
            assert row is not None
            row.disabled_at = START

    async def refused(self, text: str) -> bool:
        try:
            await self.tokens.refresh(text)
        except NotAuthenticated:
            return True
        return False

    async def dead(self, granted: Granted) -> bool:
        try:
            await self.tokens.actor(granted.access_token)
        except NotAuthenticated:
            return True
        return False


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with all tables and nothing in them."""
    folder = tmp_path_factory.mktemp("empty")
    migrate(database_url(None, folder))
    return folder


@pytest.fixture
async def world(tmp_path: Path, empty: Path) -> AsyncIterator[World]:
    shutil.copytree(empty, tmp_path, dirs_exist_ok=True)
    store = Store(database_url(None, tmp_path))
    signing = await asyncio.to_thread(SigningKeys.load, tmp_path / "keys.json", START)
    world = World(store, signing)
    await world.add(world.anna)
    yield world
    await store.close()


# ---- programs


async def test_a_program_acts_for_its_user_within_its_scopes(world: World) -> None:
    granted = await world.tokens.begin(world.anna, "laptop")
    actor = await world.tokens.actor(granted.access_token)
    assert (actor.id, actor.name, actor.role, actor.scopes) == ("anna", "Anna", Role.MEMBER, FOR_PROGRAMS)
    assert actor.credential == granted.family
    admit(actor, Action.PUBLISH)
    with pytest.raises(NotAllowed, match="account"):
        admit(actor, Action.CHANGE_ACCOUNT)
    less = await world.tokens.begin(world.anna, "radio", [Scope.LISTEN])
    with pytest.raises(NotAllowed, match="publish"):
        admit(await world.tokens.actor(less.access_token), Action.PUBLISH)


async def test_what_no_token_may_be_good_for(world: World) -> None:
    with pytest.raises(NotAllowed):
        await world.tokens.begin(world.anna, "x", [Scope.ACCOUNT])
    with pytest.raises(NotAllowed):
        await world.tokens.begin(world.anna, "x", [Scope.ADMINISTER])
    with pytest.raises(InvalidRequest):
        await world.tokens.begin(world.anna, "x", [])
    carla = User("carla", "carla", "Carla", START, administrator=True)
    await world.add(carla)
    granted = await world.tokens.begin(carla, "x", [Scope.ADMINISTER])
    actor = await world.tokens.actor(granted.access_token)
    assert actor.role is Role.ADMINISTRATOR and actor.scopes == {Scope.ADMINISTER}


async def test_each_refresh_token_is_good_for_the_next(world: World) -> None:
    granted = await world.tokens.begin(world.anna, "laptop", [Scope.READ])
    for _ in range(5):
        world.clock.now += LIFETIME + timedelta(minutes=5)
        assert await world.dead(granted)
        granted = await world.tokens.refresh(granted.refresh_token)
        actor = await world.tokens.actor(granted.access_token)
        assert actor.scopes == {Scope.READ} and actor.id == "anna"
    assert world.ended == []


async def test_attack_a_refresh_token_used_twice_ends_the_whole_family(world: World) -> None:
    stolen = await world.tokens.begin(world.anna, "laptop")
    other = await world.tokens.begin(world.anna, "phone")
    mine = await world.tokens.refresh(stolen.refresh_token)
    mine = await world.tokens.refresh(mine.refresh_token)
    assert await world.refused(stolen.refresh_token)
    assert world.ended == [("anna", stolen.family)]
    assert await world.refused(mine.refresh_token), "nobody knows who is the thief"
    assert await world.dead(mine) and await world.dead(stolen)
    assert not await world.dead(other)
    assert not await world.refused(other.refresh_token)


async def test_attack_two_who_use_one_refresh_token_at_once(world: World) -> None:
    granted = await world.tokens.begin(world.anna, "laptop")
    outcomes = await asyncio.gather(
        *(world.tokens.refresh(granted.refresh_token) for _ in range(5)), return_exceptions=True
    )
    fresh = [outcome for outcome in outcomes if isinstance(outcome, Granted)]
    assert len(fresh) <= 1
    assert all(isinstance(outcome, Granted | NotAuthenticated) for outcome in outcomes)
    assert await world.dead(granted)
    for one in fresh:
        assert await world.refused(one.refresh_token)


async def test_a_program_that_is_not_used_is_signed_out_and_none_stays_for_ever(world: World) -> None:
    idle = await world.tokens.begin(world.anna, "idle")
    busy = await world.tokens.begin(world.anna, "busy")
    world.clock.now += IDLE - timedelta(minutes=1)
    busy = await world.tokens.refresh(busy.refresh_token)
    world.clock.now += timedelta(minutes=1)
    assert await world.refused(idle.refresh_token)
    while world.clock.now < START + ABSOLUTE - IDLE:
        world.clock.now += IDLE / 2
        busy = await world.tokens.refresh(busy.refresh_token)
    while world.clock.now < START + ABSOLUTE - timedelta(days=2):
        world.clock.now += timedelta(days=1)
        busy = await world.tokens.refresh(busy.refresh_token)
    world.clock.now = START + ABSOLUTE
    assert await world.refused(busy.refresh_token)


async def test_attack_tokens_replayed_after_signing_out(world: World) -> None:
    granted = await world.tokens.begin(world.anna, "laptop")
    assert not await world.dead(granted)
    revoked = await world.tokens.revoke(granted.refresh_token)
    assert revoked is not None and revoked.client == "laptop"
    assert await world.dead(granted) and await world.refused(granted.refresh_token)
    assert await world.tokens.revoke(granted.refresh_token) is None
    assert await world.tokens.revoke("cc_r_nothing") is None
    assert world.ended == [("anna", granted.family)]


async def test_signing_keys_change_without_anybody_noticing(world: World) -> None:
    granted = await world.tokens.begin(world.anna, "laptop")
    for _ in range(3):
        await asyncio.to_thread(world.signing.rotate, world.clock.now)
        assert not await world.dead(granted)
    world.clock.now += timedelta(days=29)
    granted = await world.tokens.refresh(granted.refresh_token)
    world.clock.now += timedelta(days=10)
    await world.tokens.keep_fresh()
    assert not world.signing.due(world.clock.now)
    assert not await world.refused(granted.refresh_token)


async def test_whoever_is_kept_out_stays_out(world: World) -> None:
    granted = await world.tokens.begin(world.anna, "laptop")
    _, key = await world.keys.create(world.anna, "script", [Scope.READ])
    stream_key, _ = await world.keys.new_stream_key("anna")
    await world.keep_out("anna")
    assert await world.dead(granted) and await world.refused(granted.refresh_token)
    for attempt in (world.keys.actor(key), world.keys.stream_actor(stream_key)):
        with pytest.raises(NotAuthenticated):
            await attempt


async def test_the_oldest_program_goes_when_there_are_too_many(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "MAX_FAMILIES", 4)
    all_of_them = []
    for number in range(6):
        world.clock.now += timedelta(seconds=1)
        all_of_them.append(await world.tokens.begin(world.anna, f"program {number}"))
    assert [await world.dead(granted) for granted in all_of_them] == [True] * 2 + [False] * 4
    assert world.ended == [("anna", granted.family) for granted in all_of_them[:2]]
    families = await world.store.keys.families("anna", world.clock.now)
    assert len(families) == 4
    await world.tokens.revoke_all("anna")
    assert await world.store.keys.families("anna", world.clock.now) == []


# ---- keys


async def test_an_api_key_is_shown_once_and_good_for_its_scopes(world: World) -> None:
    key, text = await world.keys.create(world.anna, "script", [Scope.READ, Scope.LISTEN])
    assert Credential.KEY.begins(text) and text.startswith(key.hint) and len(key.hint) < 10
    actor = await world.keys.actor(text)
    assert (actor.id, actor.scopes, actor.credential) == ("anna", {Scope.READ, Scope.LISTEN}, key.id)
    assert (await world.store.keys.key(key.id)).used_at == START
    with pytest.raises(NotAllowed):
        await world.keys.create(world.anna, "root", [Scope.ADMINISTER])


async def test_what_is_stored_opens_nothing(world: World) -> None:
    granted = await world.tokens.begin(world.anna, "laptop")
    _, key = await world.keys.create(world.anna, "script", [Scope.READ])
    stream_key, _ = await world.keys.new_stream_key("anna")
    async with world.store._database.read() as session:
        kept = [
            *await session.scalars(select(RefreshTokenRow.token_hash)),
            *await session.scalars(select(ApiKeyRow.token_hash)),
            *await session.scalars(select(UserRow.stream_key_hash)),
        ]
    assert len(kept) == 3
    for text in kept:
        assert not any(secret in text or text in secret for secret in (granted.refresh_token, key, stream_key))
        assert await world.refused(text) and await world.refused(f"cc_r_{text}")
        with pytest.raises(NotAuthenticated):
            await world.keys.actor(text)


async def test_keys_end(world: World) -> None:
    key, text = await world.keys.create(world.anna, "week", [Scope.READ], START + timedelta(days=7))
    await world.keys.actor(text)
    changed, second = await world.keys.rotate(key)
    assert second != text and (changed.id, changed.name, changed.scopes) == (key.id, key.name, key.scopes)
    with pytest.raises(NotAuthenticated):
        await world.keys.actor(text)
    assert (await world.keys.actor(second)).credential == key.id
    world.clock.now += timedelta(days=7)
    with pytest.raises(NotAuthenticated):
        await world.keys.actor(second)
    world.clock.now = START
    await world.keys.revoke(changed)
    with pytest.raises(NotAuthenticated):
        await world.keys.actor(second)
    with pytest.raises(NotFound):
        await world.keys.rotate(changed)
    assert world.ended == [("anna", key.id)] * 2
    assert (await world.store.keys.keys("anna")).total == 0


async def test_keys_are_listed_and_have_a_limit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "MAX_KEYS", 5)
    for number in range(5):
        world.clock.now += timedelta(seconds=1)
        await world.keys.create(world.anna, f"key {number}", [Scope.READ])
    with pytest.raises(Conflict):
        await world.keys.create(world.anna, "one more", [Scope.READ])
    page = await world.store.keys.keys("anna", limit=3)
    rest = await world.store.keys.keys("anna", limit=3, cursor=page.next)
    assert [key.name for key in (*page.items, *rest.items)] == [f"key {number}" for number in reversed(range(5))]
    assert (page.total, rest.next) == (5, None)
    assert (await world.store.keys.keys("ben")).items == []
    await world.keys.revoke(page.items[0])
    await world.keys.create(world.anna, "one more", [Scope.READ])


async def test_a_stream_key_publishes_and_nothing_else(world: World) -> None:
    first, hint = await world.keys.new_stream_key("anna")
    assert Credential.STREAM_KEY.begins(first) and first.startswith(hint)
    assert await world.store.keys.stream_key("anna") == (hint, START)
    actor = await world.keys.stream_actor(first)
    assert (actor.id, actor.scopes) == ("anna", {Scope.PUBLISH})
    admit(actor, Action.PUBLISH)
    admit(actor, Action.END_STREAM)
    for action in (Action.LISTEN, Action.LIST_STREAMS, Action.CHANGE_STREAM, Action.CHANGE_ACCOUNT):
        with pytest.raises(NotAllowed):
            admit(actor, action)
    second, _ = await world.keys.new_stream_key("anna")
    with pytest.raises(NotAuthenticated):
        await world.keys.stream_actor(first)
    await world.keys.drop_stream_key("anna")
    with pytest.raises(NotAuthenticated):
        await world.keys.stream_actor(second)
    assert await world.store.keys.stream_key("anna") is None
    assert world.ended == [("anna", stream_credential("anna"))] * 3


async def test_what_has_ended_is_forgotten(world: World) -> None:
    await world.tokens.begin(world.anna, "laptop")
    key, _ = await world.keys.create(world.anna, "old", [Scope.READ])
    await world.keys.create(world.anna, "kept", [Scope.READ])
    await world.keys.revoke(key)
    world.clock.now += timedelta(days=31)
    await world.tokens.keep_fresh()
    async with world.store._database.read() as session:
        assert list(await session.scalars(select(ApiKeyRow.name))) == ["kept"]
        assert list(await session.scalars(select(RefreshTokenRow.family))) == []


# ---- whom one remembers


class Finder:
    """Knows Anna, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.actor = Actor("anna", "Anna", Role.MEMBER, credential="session-1")

    async def __call__(self) -> Actor:
        self.asked += 1
        return self.actor


async def test_a_credential_is_looked_up_once_in_seconds_and_forgotten_when_it_ends() -> None:
    endings, now = Endings(), [0.0]
    known, find = KnownActors(endings, SystemClock(), lambda: now[0]), Finder()
    for _ in range(100):
        assert (await known.of("hash", find)).id == "anna"
    assert find.asked == 1
    now[0] += SECONDS
    await known.of("hash", find)
    assert find.asked == 2
    for user, credential, expected in (
        ("ben", "", 2),
        ("anna", "session-2", 2),
        ("anna", "session-1", 3),
        ("anna", "", 4),
    ):
        endings.tell(user, credential)
        await known.of("hash", find)
        assert find.asked == expected, (user, credential)


async def test_what_has_run_out_is_looked_up_again_at_once() -> None:
    clock = SystemClock()
    known, find = KnownActors(Endings(), clock), Finder()
    find.actor = replace(find.actor, until=clock.wall() - timedelta(microseconds=1))
    await known.of("hash", find)
    await known.of("hash", find)
    assert find.asked == 2


async def test_who_is_signed_out_while_being_looked_up_is_not_remembered() -> None:
    endings = Endings()
    known, find = KnownActors(endings, SystemClock()), Finder()

    async def slow() -> Actor:
        endings.tell("anna", "session-1")
        return await find()

    await known.of("hash", slow)
    await known.of("hash", find)
    assert find.asked == 2


async def test_only_so_many_are_remembered() -> None:
    known, find = KnownActors(Endings(), SystemClock()), Finder()
    for number in range(MOST + 10):
        find.actor = replace(find.actor, credential=str(number))
        await known.of(str(number), find)
    before = find.asked
    await known.of(str(MOST + 9), find)
    assert find.asked == before
    await known.of("0", find)
    assert find.asked == before + 1
