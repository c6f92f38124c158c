"""Friends, requests, blocks, groups and search, as the database keeps them."""

from __future__ import annotations

import asyncio

import pytest

from server.errors import Conflict, NotFound
from server.store import friends as module
from server.store import groups as groups_module
from server.store.names import fold, search_words
from server.store.people_records import Asked, Circle, Relation
from server.store.people_schema import BanRow
from server.store.store import Store
from tests.store.people import add_people, add_person
from tests.store.rows import NOW, channel


async def befriend(store: Store, one: str, *others: str) -> None:
    for other in others:
        await store.friends.ask(one, other, NOW)
        await store.friends.accept(other, one, NOW)


async def relation(store: Store, viewer: str, other: str) -> Relation:
    return (await store.friends.profile(viewer, other)).relation


async def test_from_a_request_to_friends_and_back(store: Store) -> None:
    await add_people(store, "anna", "ben")
    friends = store.friends
    assert await friends.ask("anna", "ben", NOW) is Asked.SENT
    assert await friends.ask("anna", "ben", NOW) is Asked.PENDING
    assert (await relation(store, "anna", "ben"), await relation(store, "ben", "anna")) == ("requested", "asks")
    received, sent = await friends.requests("ben")
    assert ([item.id for item in received], sent) == (["anna"], [])
    assert [item.id for item in (await friends.requests("anna"))[1]] == ["ben"]

    with pytest.raises(NotFound):
        await friends.accept("anna", "ben", NOW)  # nobody accepts their own request
    assert await friends.accept("ben", "anna", NOW)
    assert not await friends.accept("ben", "anna", NOW)
    assert await friends.ask("anna", "ben", NOW) is Asked.ALREADY
    assert (await relation(store, "anna", "ben"), await relation(store, "ben", "anna")) == ("friend", "friend")
    assert await friends.requests("ben") == ([], [])
    assert [item.id for item in (await friends.friends("anna")).items] == ["ben"]

    assert await friends.part("ben", "anna")
    assert not await friends.part("ben", "anna")
    assert await relation(store, "anna", "ben") is Relation.NONE


async def test_declined_and_cancelled_requests_are_gone(store: Store) -> None:
    await add_people(store, "anna", "ben")
    await store.friends.ask("anna", "ben", NOW)
    assert await store.friends.withdraw("anna", "ben")
    assert not await store.friends.withdraw("anna", "ben")
    with pytest.raises(NotFound, match="does not ask"):
        await store.friends.accept("ben", "anna", NOW)


async def test_requests_that_cross_make_friends_at_once_whoever_is_first(store: Store) -> None:
    people = [f"p{number}" for number in range(8)]
    await add_people(store, *people)
    pairs = [(one, other) for one in people for other in people if one != other]
    outcomes = await asyncio.gather(*(store.friends.ask(one, other, NOW) for one, other in pairs))
    assert outcomes.count(Asked.SENT) == outcomes.count(Asked.FRIENDS) == len(pairs) // 2
    for person in people:
        assert (await store.friends.circle(person)).friends == frozenset(people) - {person}
        assert await store.friends.requests(person) == ([], [])


async def test_who_is_not_there_cannot_be_asked_nor_seen(store: Store) -> None:
    await add_people(store, "anna", "ben")
    await add_person(store, "carl", disabled_at=NOW)
    for other in ("nobody", "carl", "%", ""):
        for refused in (
            store.friends.ask("anna", other, NOW),
            store.friends.block("anna", other, NOW),
            store.friends.profile("anna", other),
        ):
            with pytest.raises(NotFound, match="no such person"):
                await refused
    assert await store.friends.search("anna", "carl") == []


async def test_blocking_ends_everything_and_whoever_is_blocked_finds_nobody(store: Store) -> None:
    await add_people(store, "anna", "ben", "carl")
    friends = store.friends
    await befriend(store, "anna", "ben", "carl")
    group = await store.groups.add("ben", "Band", NOW)
    await store.groups.include(group.id, "anna")
    await friends.ask("ben", "carl", NOW)

    assert await friends.block("anna", "ben", NOW)
    assert not await friends.block("anna", "ben", NOW)
    assert await friends.circle("anna") == Circle(friends=frozenset({"carl"}), barred=frozenset({"ben"}))
    assert await friends.circle("ben") == Circle(barred=frozenset({"anna"}))
    assert (await store.groups.get(group.id)).members == ()

    # Of who blocks one, everything answers as if there were nobody.
    assert await friends.search("ben", "ann") == []
    for refused in (
        friends.profile("ben", "anna"), friends.ask("ben", "anna", NOW), friends.block("ben", "anna", NOW),
        friends.accept("ben", "anna", NOW),
    ):  # fmt: skip
        with pytest.raises(NotFound):
            await refused
    # Who blocks sees whom, to be able to end it; not by searching.
    assert await relation(store, "anna", "ben") is Relation.BLOCKED
    assert await friends.search("anna", "ben") == []
    assert [item.id for item in await friends.blocks("anna")] == ["ben"]
    with pytest.raises(Conflict, match="have blocked"):
        await friends.ask("anna", "ben", NOW)

    assert await friends.unblock("anna", "ben")
    assert not await friends.unblock("anna", "ben")
    assert await relation(store, "ben", "anna") is Relation.NONE


async def test_blocking_takes_requests_away_both_ways(store: Store) -> None:
    await add_people(store, "anna", "ben", "carl")
    await store.friends.ask("ben", "anna", NOW)
    await store.friends.ask("anna", "carl", NOW)
    await store.friends.block("anna", "ben", NOW)
    await store.friends.block("anna", "carl", NOW)
    for person in ("anna", "ben", "carl"):
        assert await store.friends.requests(person) == ([], [])
    await store.friends.unblock("anna", "ben")
    with pytest.raises(NotFound):
        await store.friends.accept("anna", "ben", NOW)


async def test_what_one_is_kept_out_of_is_read_with_whom_one_knows(store: Store) -> None:
    await add_people(store, "anna", "ben")
    home = channel("anna")
    await store.add_channel(home)
    async with store._database.write() as session:
        session.add(BanRow(channel_id=home.id, user_id="ben", created_at=NOW))
    await befriend(store, "anna", "ben")
    group = await store.groups.add("anna", "Band", NOW)
    assert await store.groups.include(group.id, "ben")
    assert await store.friends.circle("ben") == Circle(
        friends=frozenset({"anna"}), groups=frozenset({group.id}), bans=frozenset({home.id})
    )
    assert await store.friends.circle("nobody") == Circle()


async def test_limits(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    people = [f"p{number}" for number in range(5)]
    await add_people(store, *people)
    monkeypatch.setattr(module, "MAX_SENT", 2)
    monkeypatch.setattr(module, "MAX_RECEIVED", 2)
    monkeypatch.setattr(module, "MAX_FRIENDS", 1)
    monkeypatch.setattr(module, "MAX_BLOCKS", 1)
    for other in ("p1", "p2"):
        await store.friends.ask("p0", other, NOW)
    with pytest.raises(Conflict) as refused:
        await store.friends.ask("p0", "p3", NOW)
    assert refused.value.code == "too-many-requests-sent"
    await store.friends.ask("p3", "p2", NOW)
    with pytest.raises(Conflict) as refused:
        await store.friends.ask("p4", "p2", NOW)
    assert refused.value.code == "too-many-requests-received"
    await store.friends.accept("p2", "p0", NOW)
    with pytest.raises(Conflict) as refused:
        await store.friends.accept("p1", "p0", NOW)  # p0 has a friend already
    assert refused.value.code == "too-many-friends"
    await store.friends.block("p4", "p0", NOW)
    with pytest.raises(Conflict):
        await store.friends.block("p4", "p1", NOW)


async def test_search_by_the_beginning_of_any_name(store: Store) -> None:
    await add_people(
        store, "viewer", zoe="Zoë Müller", ivan="Иван Петров", lin="山田太郎", rtl="דוד כהן", per_cent="100% Ümit",
        emoji="👩🏽‍🎤 Star",
    )  # fmt: skip

    async def found(text: str) -> list[str]:
        return [item.id for item in await store.friends.search("viewer", fold(text))]

    for text, who in {
        "ZOE": ["zoe"], "zoë m": ["zoe"], "mul": ["zoe"], "MÜL": ["zoe"], "ller": [], "петр": ["ivan"],
        "ИВАН": ["ivan"], "太郎": ["lin"], "山": ["lin"], "כהן": ["rtl"], "％": [], "100%": ["per_cent"],
        "per_": ["per_cent"], "p%": [], "_er": [], "ｕｍｉｔ": ["per_cent"], "star": ["emoji"], "view": [],
        "' or 1=1 --": [],
    }.items():  # fmt: skip
        assert (text, await found(text)) == (text, who)


async def test_search_shows_few_and_each_once(store: Store) -> None:
    await add_people(store, "viewer", **{f"max{number:02}": "Max Maxon Maxwell" for number in range(30)})
    found = [item.id for item in await store.friends.search("viewer", "max")]
    assert len(found) == len(set(found)) == module.MAX_FOUND


def test_a_name_is_found_by_a_bounded_number_of_words() -> None:
    assert search_words("anna", "Anna-Lena Meier") == ["anna", "anna-lena meier", "lena meier", "meier"]
    assert len(search_words("x", "a " * 500)) <= 16
    assert max(map(len, search_words("x", "a" * 1_000_000))) <= 80
    assert search_words("", "\u0300") == []


async def test_friends_come_in_pages_with_their_first_channel(store: Store) -> None:
    others = [f"p{number}" for number in range(7)]
    await add_people(store, "anna", *others)
    await befriend(store, "anna", *others)
    for minutes, slug in enumerate(("first", "second")):
        home = channel(slug, minutes)
        await store.add_channel(type(home)(home.id, slug, slug, "", "p3", home.created_at))
    seen, cursor = [], None
    while True:
        page = await store.friends.friends("anna", limit=3, cursor=cursor)
        assert page.total == 7
        seen += page.items
        cursor = page.next
        if cursor is None:
            break
    assert [item.id for item in seen] == others
    assert {item.id: item.channel for item in seen if item.channel} == {"p3": "first"}


async def test_groups_hold_friends_only_and_have_one_name_each(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await add_people(store, "anna", "ben", "carl")
    await befriend(store, "anna", "ben")
    band = await store.groups.add("anna", "Band", NOW)
    assert await store.groups.include(band.id, "ben")
    assert not await store.groups.include(band.id, "ben")
    for stranger in ("carl", "nobody", "anna"):
        with pytest.raises(NotFound):
            await store.groups.include(band.id, stranger)
    choir = await store.groups.add("anna", "Choir", NOW)
    await store.groups.add("ben", "band", NOW)  # somebody else's
    for refused in (store.groups.add("anna", "BAND", NOW), store.groups.rename(choir.id, "bAnd")):
        with pytest.raises(Conflict) as caught:
            await refused
        assert caught.value.code == "group-name-taken"
    assert (await store.groups.rename(band.id, "BAND")).members == ("ben",)
    assert [(group.name, group.members) for group in await store.groups.all("anna")] == [
        ("BAND", ("ben",)), ("Choir", ()),
    ]  # fmt: skip
    monkeypatch.setattr(groups_module, "MAX_GROUPS", 2)
    with pytest.raises(Conflict):
        await store.groups.add("anna", "Third", NOW)

    await store.friends.part("ben", "anna")
    assert (await store.groups.get(band.id)).members == ()
    await store.groups.forget(band.id)
    with pytest.raises(NotFound):
        await store.groups.get(band.id)
    assert await store.groups.exclude(band.id, "ben") is False
