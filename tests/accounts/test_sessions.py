"""Sessions of browsers: how long they last, and that an ending is noticed at once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from server.accounts.endings import Endings
from server.accounts.sessions import FRESH_S, MOST, Caller, Sessions
from server.errors import NotFound
from server.store.people_records import User
from server.store.store import Store
from tests.accounts.conftest import MovableClock
from tests.store.rows import channel

IDLE, LONGEST = timedelta(days=14), timedelta(days=90)


class Scene:
    """Sessions over a real store, with time that a test moves."""

    def __init__(self, store: Store, clock: MovableClock) -> None:
        self.store, self.clock, self.endings = store, clock, Endings()
        self.told: list[tuple[str, str]] = []
        self.endings.subscribe(lambda user, credential: self.told.append((user, credential)))
        self.sessions = self.make()
        self.anna = User("anna", "anna", "Anna", clock.wall())

    def make(self) -> Sessions:
        return Sessions(
            self.store, self.clock, self.endings, idle=IDLE, longest=LONGEST, monotonic=self.clock.monotonic
        )

    async def enter(self) -> None:
        await self.store.users.add(self.anna, "x", channel("anna"), now=self.clock.wall())


@pytest.fixture
async def scene(store: Store, clock: MovableClock) -> Scene:
    made = Scene(store, clock)
    await made.enter()
    return made


async def test_a_session_ends_when_it_is_not_used(scene: Scene) -> None:
    token = await scene.sessions.start(scene.anna, Caller())
    scene.clock.forward(days=13.9)
    assert (await scene.sessions.actor(token)) is not None
    scene.clock.forward(days=13.9)
    assert (await scene.sessions.actor(token)) is not None
    scene.clock.forward(days=14)
    assert (await scene.sessions.actor(token)) is None
    await scene.sessions.purge()
    assert await scene.sessions.of_user("anna") == []


async def test_a_session_ends_some_day_however_much_it_is_used(scene: Scene) -> None:
    token = await scene.sessions.start(scene.anna, Caller())
    for _ in range(89):
        scene.clock.forward(days=1)
        assert (await scene.sessions.actor(token)) is not None
    scene.clock.forward(days=1)
    assert (await scene.sessions.actor(token)) is None


async def test_use_is_noted_once_a_minute(scene: Scene) -> None:
    token = await scene.sessions.start(scene.anna, Caller(address="192.0.2.1", agent="a" * 1000))
    began = scene.clock.wall()
    for _ in range(5):
        scene.clock.forward(seconds=11)
        await scene.sessions.actor(token)
    (kept,) = await scene.make().of_user("anna")
    assert (kept.seen_at, len(kept.agent), kept.address) == (began, 200, "192.0.2.1")
    scene.clock.forward(seconds=11)
    await scene.sessions.actor(token)
    (kept,) = await scene.make().of_user("anna")
    assert (kept.seen_at, kept.expires_at) == (scene.clock.wall(), scene.clock.wall() + IDLE)


async def test_a_clock_that_jumps_back_signs_nobody_out_and_lengthens_nothing(scene: Scene) -> None:
    token = await scene.sessions.start(scene.anna, Caller())
    (before,) = await scene.sessions.of_user("anna")
    scene.clock.now -= timedelta(days=400)
    assert (await scene.sessions.actor(token)) is not None
    assert await scene.sessions.of_user("anna") == [before]
    scene.clock.now += timedelta(days=400) + IDLE
    assert (await scene.sessions.actor(token)) is None


async def test_an_ending_holds_at_once_and_is_told(scene: Scene) -> None:
    one, two, three = [await scene.sessions.start(scene.anna, Caller()) for _ in range(3)]
    actors = [await scene.sessions.actor(token) for token in (one, two, three)]
    first, second, third = (actor.credential for actor in actors if actor is not None)
    await scene.sessions.end("anna", first)
    assert [await scene.sessions.actor(token) is None for token in (one, two, three)] == [True, False, False]
    with pytest.raises(NotFound):
        await scene.sessions.end("anna", first)
    with pytest.raises(NotFound):
        await scene.sessions.end("ben", second)
    assert await scene.sessions.end_all("anna", but=third) == 1
    assert [await scene.sessions.actor(token) is None for token in (one, two, three)] == [True, True, False]
    assert scene.told == [("anna", first), ("anna", second)]


async def test_what_another_process_changes_is_noticed_within_seconds(scene: Scene) -> None:
    token = await scene.sessions.start(scene.anna, Caller())
    assert (await scene.sessions.actor(token)) is not None
    await scene.store.users.change("anna", disabled_at=scene.clock.wall())
    scene.clock.forward(seconds=FRESH_S)
    assert (await scene.sessions.actor(token)) is None


async def test_another_sign_in_replaces_the_session_that_the_browser_had(scene: Scene) -> None:
    before = await scene.sessions.start(scene.anna, Caller())
    after = await scene.sessions.start(scene.anna, Caller(token=before))
    assert after != before
    assert (await scene.sessions.actor(before)) is None
    assert (await scene.sessions.actor(after)) is not None


async def test_the_sessions_of_one_user_have_a_limit(scene: Scene) -> None:
    tokens = []
    for _ in range(MOST + 2):
        scene.clock.forward(seconds=1)
        tokens.append(await scene.sessions.start(scene.anna, Caller()))
    assert [await scene.sessions.actor(token) is None for token in tokens[:3]] == [True, True, False]
    assert len(await scene.sessions.of_user("anna")) == MOST
    assert len(scene.told) == 2


@pytest.mark.parametrize("token", ["", "cc_s_", "cc_s_" + "x" * 43, "cc_k_" + "x" * 43, "cc_s_\ud800", "x" * 100_000])
async def test_tokens_of_other_installations_are_nobodys(scene: Scene, token: str) -> None:
    assert (await scene.sessions.actor(token)) is None


async def test_only_a_fingerprint_is_kept(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> None:
    token = await scene.sessions.start(scene.anna, Caller())
    files = [path.read_bytes() for path in tmp_path_factory.getbasetemp().rglob("clearcast.db*")]
    assert files and not any(token.encode() in content for content in files)
