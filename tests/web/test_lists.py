"""Lists of people who have much, over HTTP."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from server.store.ids import new_id
from server.store.people_records import Access, AccessRule
from server.store.records import Channel, Recording, StoredStream
from tests.people import Person, Town, town
from tests.store.plans import Plans


async def talk(place: Town, owner: Person, minutes: int) -> None:
    """A channel, and a stream on it that was recorded, for friends."""
    services, id_ = place.services, new_id()
    at = services.clock.wall() - timedelta(minutes=minutes)
    home = Channel(id_, id_, "Room", owner.name, owner.id, at)
    rule = AccessRule(Access.FRIENDS)
    await services.store.add_channel(home)
    await services.store.save_stream(StoredStream(id_, home.id, owner.id, owner.name, "Talk", "ended", at, at))
    await services.store.save_recording(Recording(id_, id_, "Talk", "", owner.id, "", "", at, "ready"))
    await services.store.access.put_all({(kind, id_): rule for kind in ("channel", "stream", "recording")})


@pytest.mark.parametrize("kind", ["recordings", "streams", "channels"])
async def test_a_list_takes_as_many_queries_for_sixty_as_for_three(tmp_path: Path, kind: str) -> None:
    """Half of them are a friend's. The pages are as long as the lists, and nothing was asked for before."""
    asked = {}
    for number in (3, 60):
        async with town(tmp_path / str(number), rate_limits="off") as place:
            anna, ben = await place.add("anna"), await place.add("ben")
            now = place.services.clock.wall()
            await place.services.store.friends.ask(anna.id, ben.id, now)
            await place.services.store.friends.accept(ben.id, anna.id, now)
            for minutes in range(number):
                await talk(place, (anna, ben)[minutes % 2], minutes)
            plans = Plans(place.services.store)
            async with anna.http.get(f"/api/v1/{kind}", params={"limit": 100}) as response:
                page = await response.json()
            assert page["total"] == len(page["items"]) == number + 2 * (kind == "channels")
            asked[number] = plans.count
            assert await plans.scans() == []
    assert asked[3] == asked[60] > 0
