"""Who is told that somebody is here, live or gone: with a real database, and pages that note what they are told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from server.accounts import presence
from server.accounts.circles import Circles
from server.accounts.community import Community
from server.accounts.friends import Person, Requests
from server.accounts.notifications import QUIET, News
from server.accounts.presence import OnAir, Seen
from server.config import load_settings
from server.store.store import Store
from tests.accounts.conftest import MovableClock
from tests.store.people import add_people, add_person
from tests.store.rows import NOW

TALK = OnAir("s1", "c1", "anna", "anna", "Bees")


class FriendsHear:
    """A rule of access: who talks, and their friends."""

    def __init__(self, circles: Circles) -> None:
        self._circles = circles

    async def visible(self, viewer: str, streams: Collection[OnAir]) -> set[str]:
        friends = (await self._circles.of(viewer)).friends
        return {stream.stream_id for stream in streams if stream.owner in friends | {viewer}}


class Pages:
    """Everybody's pages."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, Any]] = []
        self.open = {"anna", "ben", "carl", "dora"}
        self._more = asyncio.Event()

    def _tell(self, to: str, type_: str, data: Any) -> None:
        self.told.append((to, type_, data))
        self._more.set()

    async def until(self, *wanted: tuple[str, str, Any]) -> None:
        async with asyncio.timeout(30):
            while not all(item in self.told for item in wanted):
                self._more.clear()
                await self._more.wait()

    def of(self, to: str) -> list[tuple[str, Any]]:
        return [(type_, data) for name, type_, data in self.told if name == to]

    def friend_request(self, to: str, person: Person) -> None:
        self._tell(to, "friend_request", person.profile.id)

    def requests(self, to: str, requests: Requests) -> None:
        self._tell(to, "requests", (len(requests.received), len(requests.sent)))

    def friend_added(self, to: str, person: Person) -> None:
        self._tell(to, "friend_added", person.profile.id)

    def friend_removed(self, to: str, user_id: str) -> None:
        self._tell(to, "friend_removed", user_id)

    def follows(self, user_id: str) -> bool:
        return user_id in self.open

    def presence(self, to: Iterable[str], user_id: str, seen: Seen) -> None:
        for name in to:
            self._tell(name, "presence", (user_id, str(seen.presence), seen.live and seen.live.title))

    def notification(self, to: Sequence[str], news: News) -> None:
        for name in to:
            self._tell(name, news.notice.kind, news.person.id)

    def notifications_read(self, to: str) -> None:
        self._tell(to, "read", None)


Make = Callable[..., Awaitable[Community]]


@pytest.fixture
def pages() -> Pages:
    return Pages()


@pytest.fixture
async def make(store: Store, pages: Pages, tmp_path: Path) -> AsyncIterator[Make]:
    """`await make("ben", "carl")` is a community in which Anna has these friends, and Dora is a stranger."""
    made: list[Community] = []

    async def begin(*friends: str, clock: MovableClock | None = None) -> Community:
        await add_people(store, *({"anna", "dora", *friends} - {"quiet"}))
        for friend in friends:
            if friend == "quiet":
                await add_person(store, "quiet", preferences={"notify_live": False})
            await store.friends.ask("anna", friend, NOW)
            await store.friends.accept(friend, "anna", NOW)
        settings = load_settings(data_dir=tmp_path)
        circles = Circles(store.friends.circle)
        made.append(Community(settings, store, clock or MovableClock(), circles, FriendsHear(circles), pages))
        await made[0].start()
        return made[0]

    yield begin
    for community in made:
        await community.close()


async def test_who_goes_live_is_shown_to_friends_who_are_there_and_told_to_all_who_want_to_know(
    make: Make, store: Store, pages: Pages
) -> None:
    community = await make("ben", "carl", "quiet")
    pages.open = {"ben", "dora", "quiet"}
    community.presence.began(TALK)
    community.notices.went_live(TALK)
    live = ("anna", "live", "Bees")
    await pages.until(("ben", "presence", live), ("quiet", "presence", live), ("carl", "friend_live", "anna"))
    assert sorted(pages.of("ben")) == [("friend_live", "anna"), ("presence", live)]
    assert pages.of("quiet") == [("presence", live)]
    assert pages.of("dora") == []
    page, unread = await community.notices.page("carl")
    assert (unread, page.items[0].notice.data) == (
        1, {"person": "anna", "stream_id": "s1", "slug": "anna", "title": "Bees"},
    )  # fmt: skip
    assert (await store.notices.page("quiet"))[1] == 0

    community.presence.ended("s1")
    await pages.until(("ben", "presence", ("anna", "offline", None)))


async def test_somebody_who_begins_again_and_again_is_told_of_once_in_ten_minutes(
    make: Make, store: Store, pages: Pages
) -> None:
    clock = MovableClock()
    community = await make("ben", clock=clock)
    for number, ran in enumerate((0.0, 60.0, QUIET / 48_000 + 1.0)):
        clock.ran = ran
        community.notices.went_live(OnAir(f"s{number}", "c1", "anna", "anna", "Bees"))
    told: set[str] = set()
    async with asyncio.timeout(30):
        while "s2" not in told:
            await asyncio.sleep(0.01)
            told = {notice.data["stream_id"] for notice in (await store.notices.page("ben"))[0].items}
    assert told == {"s0", "s2"}


async def test_listening_is_shown_while_it_lasts(make: Make, pages: Pages) -> None:
    community = await make("ben")
    community.presence.began(TALK)
    community.presence.listens("ben", "c1", here=True)
    await pages.until(("anna", "presence", ("ben", "listening", None)))
    community.presence.listens("ben", "c1", here=False)
    await pages.until(("anna", "presence", ("ben", "offline", None)))
    assert (await community.friends.person("anna", "ben")).seen == Seen(presence.Presence.OFFLINE)


async def test_a_page_that_is_opened_again_in_time_changes_nothing(
    make: Make, pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    community = await make("ben")
    community.presence.arrived("anna")
    await pages.until(("ben", "presence", ("anna", "online", None)))
    community.presence.left("anna")
    community.presence.arrived("anna")
    monkeypatch.setattr(presence, "GRACE", 0.05)
    community.presence.arrived("ben")
    community.presence.left("ben")
    await pages.until(("anna", "presence", ("ben", "offline", None)))
    assert pages.of("ben") == [("presence", ("anna", "online", None))]


async def test_an_account_that_is_deleted_is_gone_from_the_pages_of_friends(make: Make, pages: Pages) -> None:
    community = await make("ben")
    community.presence.arrived("ben")
    await pages.until(("anna", "presence", ("ben", "online", None)))
    community.presence.changed("anna")
    await pages.until(("ben", "presence", ("anna", "offline", None)))
    community.gone("ben")
    assert ("friend_removed", "ben") in pages.of("anna")
