"""Notices, as the database keeps them; lists of friends in a number of queries that does not grow."""

from __future__ import annotations

from datetime import timedelta

import pytest

from server.store import notices as module
from server.store.people_records import Notice
from server.store.store import Store
from tests.store.people import add_people, add_person
from tests.store.plans import Plans
from tests.store.rows import NOW


def notice(number: int, user_id: str = "anna", person: str = "ben", kind: str = "friend_live") -> Notice:
    return Notice(f"{user_id}{number:03}", user_id, kind, {"person": person}, NOW + timedelta(minutes=number))


async def test_the_newest_are_kept_and_what_was_seen_is_known(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_NOTICES", 5)
    await add_people(store, "anna", "ben")
    await store.notices.add([notice(number) for number in range(9)] + [notice(0, "ben"), notice(0, "nobody")])
    page, unread = await store.notices.page("anna", limit=3)
    assert ([item.id for item in page.items], page.total, unread) == (["anna008", "anna007", "anna006"], 5, 5)
    rest, _ = await store.notices.page("anna", limit=3, cursor=page.next)
    assert ([item.id for item in rest.items], rest.next) == (["anna005", "anna004"], None)

    assert await store.notices.read("anna", "anna006", NOW)
    page, unread = await store.notices.page("anna")
    assert (unread, [item.read_at is None for item in page.items]) == (2, [True, True, False, False, False])
    assert not await store.notices.read("ben", "anna008", NOW)  # somebody else's
    assert (await store.notices.page("ben"))[1] == 1


async def test_what_was_told_of_somebody_is_taken_away(store: Store) -> None:
    await add_people(store, "anna", "ben", "carl")
    await store.notices.add(
        [notice(1), notice(2, kind="friend_request"), notice(3, person="carl"), notice(4, user_id="ben", person="anna")]
    )
    await store.notices.forget("anna", "ben", "friend_request")
    assert [item.id for item in (await store.notices.page("anna"))[0].items] == ["anna003", "anna001"]
    await store.notices.forget("anna", "ben")
    assert [item.id for item in (await store.notices.page("anna"))[0].items] == ["anna003"]
    assert (await store.notices.page("ben"))[1] == 1


async def test_wishes_are_of_those_who_are_there(store: Store) -> None:
    await add_person(store, "anna", preferences={"push": True})
    await add_person(store, "ben", disabled_at=NOW)
    assert await store.notices.wishes(["anna", "ben", "nobody"]) == {"anna": {"push": True}}


async def test_lists_take_as_many_queries_for_many_as_for_few(store: Store) -> None:
    others = [f"p{number:03}" for number in range(60)]
    await add_people(store, "anna", *others)
    counted = []
    for some in (others[:3], others[3:]):
        for other in some:
            await store.friends.ask("anna", other, NOW)
            if other not in others[-5:]:
                await store.friends.accept(other, "anna", NOW)
        plans = Plans(store)
        page = await store.friends.friends("anna", limit=100)
        await store.friends.requests("anna")
        await store.friends.profiles("anna", [item.id for item in page.items])
        await store.friends.circle("anna")
        await store.notices.page("anna")
        await store.groups.all("anna")
        await store.friends.search("anna", "p")
        counted.append(plans.count)
        assert await plans.scans() == []
    assert counted[0] == counted[1] < 15
