from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from server.backplane import EventHub, Position, Subscriber
from server.backplane import hub as module
from server.errors import InvalidRequest, NotFound


@pytest.fixture
def hub() -> EventHub:
    made = EventHub()

    async def snapshot(topic: str, viewer: object) -> dict[str, Any]:
        return {"of": topic}

    async def missing(topic: str, viewer: object) -> dict[str, Any]:
        raise NotFound("gone")

    made.provide("streams", snapshot)
    made.provide("stream:", snapshot)
    made.provide("lost:", missing)
    return made


async def read(subscriber: Subscriber, count: int) -> list[Any]:
    envelopes = [await asyncio.wait_for(subscriber.get(), 30) for _ in range(count)]
    return [json.loads(item.text) for item in envelopes if item is not None]


async def test_a_snapshot_comes_first_then_everything_new(hub: EventHub) -> None:
    hub.publish("streams", "before", {})
    reader = Subscriber()
    await hub.subscribe(reader, "streams")
    hub.publish("streams", "listeners", {"n": 1})
    hub.publish("stream:x", "listeners", {"n": 2})
    first, second = await read(reader, 2)
    assert (first["type"], first["seq"], first["data"]) == ("snapshot", 1, {"of": "streams"})
    assert (second["type"], second["seq"], second["epoch"]) == ("listeners", 2, first["epoch"])
    assert second["time"].endswith("Z")


async def test_whoever_was_away_gets_what_was_missed(hub: EventHub) -> None:
    sent = [hub.publish("streams", f"e{number}", {}) for number in range(10)]
    reader = Subscriber()
    await hub.subscribe(reader, "streams", Position(sent[0].epoch, 7))
    assert [item["seq"] for item in await read(reader, 3)] == [8, 9, 10]
    hub.unsubscribe(reader)
    await hub.subscribe(reader, "streams", Position(sent[0].epoch, 10))
    hub.publish("streams", "new", {})
    assert [item["type"] for item in await read(reader, 1)] == ["new"]


async def test_what_is_forgotten_or_never_was_comes_as_a_snapshot(hub: EventHub) -> None:
    sent = [hub.publish("streams", "e", {}) for _ in range(module.RING + 5)]
    for position in (Position(sent[0].epoch, 4), Position(sent[0].epoch, 9999), Position("other", 300)):
        reader = Subscriber()
        await hub.subscribe(reader, "streams", position)
        assert [item["type"] for item in await read(reader, 1)] == ["snapshot"]
    reader = Subscriber()
    await hub.subscribe(reader, "streams", Position(sent[0].epoch, 5))
    assert len(await read(reader, module.RING)) == module.RING


async def test_nothing_is_lost_while_the_snapshot_is_made(hub: EventHub) -> None:
    making, go_on = asyncio.Event(), asyncio.Event()

    async def slow(topic: str, viewer: object) -> dict[str, Any]:
        making.set()
        await go_on.wait()
        return {}

    hub.provide("slow", slow)
    reader = Subscriber()
    subscribing = asyncio.create_task(hub.subscribe(reader, "slow"))
    await making.wait()
    hub.publish("slow", "meanwhile", {})
    go_on.set()
    await subscribing
    assert [item["type"] for item in await read(reader, 2)] == ["snapshot", "meanwhile"]


async def test_a_slow_reader_is_dropped_and_the_others_are_not(hub: EventHub) -> None:
    slow, quick = Subscriber(limit=5), Subscriber(limit=100)
    await hub.subscribe(slow, "streams")
    await hub.subscribe(quick, "streams")
    dropped = module.WAITING.dropped
    for _ in range(20):
        hub.publish("streams", "e", {})
    assert slow.lagging
    assert await slow.get() is None
    assert len(await read(quick, 21)) == 21
    assert module.WAITING.dropped == dropped + 1


@pytest.mark.parametrize("topic", ["nope", "stream:", "stream", "", "nope:1"])
async def test_unknown_topics_are_refused(hub: EventHub, topic: str) -> None:
    with pytest.raises(InvalidRequest):
        await hub.subscribe(Subscriber(), topic)


async def test_a_topic_about_nothing_is_not_found_and_not_kept(hub: EventHub) -> None:
    reader = Subscriber()
    with pytest.raises(NotFound):
        await hub.subscribe(reader, "lost:1")
    assert reader.topics == {}


async def test_topics_are_bounded(hub: EventHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TOPICS", 4)
    reader = Subscriber()
    await hub.subscribe(reader, "streams")
    epoch = hub.publish("streams", "e", {}).epoch
    for number in range(20):
        hub.publish(f"stream:{number}", "e", {})
    assert len(hub._topics) <= 4
    assert hub.publish("streams", "e", {}).epoch == epoch  # somebody listens: it stays


async def test_passing_events_are_for_those_who_are_there_and_keep_up(hub: EventHub) -> None:
    asked = []

    def data() -> dict[str, Any]:
        asked.append(1)
        return {"in": [-20.0]}

    hub.pass_on("stream:x", "levels", data)
    hub.publish("stream:x", "listeners", {"n": 1})
    hub.pass_on("stream:x", "levels", data)
    assert asked == []  # nobody listens
    reader, slow = Subscriber(), Subscriber()
    for subscriber in (reader, slow):
        await hub.subscribe(subscriber, "stream:x")
    hub.pass_on("stream:x", "levels", data)
    snapshot, levels = await read(reader, 2)
    assert (levels["type"], levels["data"]) == ("levels", {"in": [-20.0]})
    assert (levels["epoch"], levels["seq"]) == (snapshot["epoch"], snapshot["seq"]) == (snapshot["epoch"], 1)
    for _ in range(1000):
        hub.pass_on("stream:x", "levels", data)
    assert not slow.lagging
    hub.publish("stream:x", "listeners", {"n": 2})
    told = await read(slow, module.PASSING_ROOM + 1)
    assert told[-1]["data"] == {"n": 2}
    # Whoever was away gets what was numbered, and nothing that passed.
    late = Subscriber()
    await hub.subscribe(late, "stream:x", Position(snapshot["epoch"], 1))
    assert [item["type"] for item in await read(late, 1)] == ["listeners"]
    assert not late._queue


async def test_whoever_has_finished_gets_what_waits_and_nothing_more(hub: EventHub) -> None:
    reader = Subscriber()
    await hub.subscribe(reader, "streams")
    hub.publish("streams", "last", {})
    reader.finish()
    hub.publish("streams", "too late", {})
    assert [item["type"] for item in await read(reader, 3)] == ["snapshot", "last"]
    assert not reader.lagging


async def test_what_was_let_go_comes_as_a_snapshot(hub: EventHub) -> None:
    sent = [hub.publish("streams", f"e{number}", {}) for number in range(3)]
    hub.let_go("streams")
    hub.let_go("nothing")
    reader = Subscriber()
    await hub.subscribe(reader, "streams", Position(sent[0].epoch, 2))
    hub.publish("streams", "new", {})
    first, second = await read(reader, 2)
    assert (first["type"], first["seq"], second["type"], second["seq"]) == ("snapshot", 3, "new", 4)


class Picky:
    """Sees what it is told to see, and says so at once only of what it knows."""

    def __init__(self, **seen: bool) -> None:
        self.seen = seen

    def sees(self, about: str) -> bool | None:
        return self.seen.get(about)


async def test_a_subscriber_gets_only_what_it_may_see_and_the_numbers_have_holes(hub: EventHub) -> None:
    everybody, picky = Subscriber(), Subscriber(viewer=Picky(mine=True, hers=False))
    for subscriber in (everybody, picky):
        await hub.subscribe(subscriber, "streams")
        await subscriber.get()
    for about in ("hers", "mine", "unknown", None):
        hub.publish("streams", "x", {}, about)
    assert [(await everybody.get()).seq for _ in range(4)] == [1, 2, 3, 4]  # type: ignore[union-attr]
    assert [(await picky.get()).seq for _ in range(2)] == [2, 4]  # type: ignore[union-attr]

    back = Subscriber(viewer=Picky(mine=True, hers=False, unknown=False))
    epoch = hub.publish("streams", "last", {}).epoch
    await hub.subscribe(back, "streams", Position(epoch, 0))
    assert [(await back.get()).seq for _ in range(3)] == [2, 4, 5]  # type: ignore[union-attr]

    unsure = Subscriber(viewer=Picky(mine=True, hers=False))
    await hub.subscribe(unsure, "streams", Position(epoch, 0))
    assert (await unsure.get()).type == "snapshot"  # type: ignore[union-attr]


async def test_who_comes_back_after_a_change_of_rights_gets_a_snapshot(hub: EventHub) -> None:
    epoch = hub.publish("streams", "x", {}).epoch
    hub.begin_anew("streams")
    back = Subscriber()
    await hub.subscribe(back, "streams", Position(epoch, 1))
    assert (await back.get()).type == "snapshot"  # type: ignore[union-attr]


async def test_one_subscriber_is_told_or_shown_everything_anew(hub: EventHub) -> None:
    one, other = Subscriber(), Subscriber()
    for subscriber in (one, other):
        await hub.subscribe(subscriber, "streams")
        await subscriber.get()
    hub.tell(one, "streams", "removed", {"reason": "banned"})
    hub.tell(one, "stream:1", "removed", {})
    await hub.refresh(one, "streams")
    await hub.refresh(one, "stream:1")
    hub.publish("streams", "x", {})
    assert [(await one.get()).type for _ in range(3)] == ["removed", "snapshot", "x"]  # type: ignore[union-attr]
    assert (await other.get()).type == "x"  # type: ignore[union-attr]


async def test_who_has_gone_is_not_subscribed_by_a_snapshot_that_comes_late(hub: EventHub) -> None:
    gone = Subscriber()
    await hub.subscribe(gone, "streams")
    gone.finish()
    await hub.refresh(gone, "streams")
    assert hub.subscribers("streams") == []


async def test_a_personal_topic_is_another_one_for_everybody() -> None:
    hub = EventHub()

    async def mine(topic: str, _viewer: object) -> dict[str, Any]:
        return {"of": topic}

    hub.provide_personal("friends", mine)
    people = {name: Subscriber() for name in ("anna", "ben")}
    for name, subscriber in people.items():
        await hub.subscribe(subscriber, hub.inside("friends", name))
        snapshot = (await read(subscriber, 1))[0]
        assert (snapshot["topic"], snapshot["data"]) == ("friends", {"of": f"friends:{name}"})
    assert hub.tell_people("friends", ["anna", "carl"], "presence", {"id": "dora"}) == 1
    event = (await read(people["anna"], 1))[0]
    assert (event["topic"], event["type"], event["data"], event["seq"]) == ("friends", "presence", {"id": "dora"}, 1)
    hub.tell_people("friends", ["ben"], "presence", {"id": "fred"})
    assert (await read(people["ben"], 1))[0]["data"] == {"id": "fred"}  # nothing of Anna's came before it
    for name, user in (("friends:ben", "anna"), ("friends:", "anna"), ("friends", "")):
        with pytest.raises(InvalidRequest):
            hub.inside(name, user)


async def test_a_personal_topic_is_resumed_unless_something_was_missed() -> None:
    hub = EventHub()

    async def mine(_topic: str, _viewer: object) -> dict[str, Any]:
        return {}

    hub.provide_personal("friends", mine)
    page, other = Subscriber(), Subscriber()
    for subscriber in (page, other):
        await hub.subscribe(subscriber, "friends:anna")
    first = (await read(page, 1))[0]
    position = Position(first["epoch"], first["seq"])
    hub.unsubscribe(page)
    hub.tell_people("friends", ["anna"], "presence", {"n": 1})
    await hub.subscribe(page, "friends:anna", position)
    assert (await read(page, 1))[0]["data"] == {"n": 1}  # another of her pages was there

    hub.unsubscribe(page)
    hub.unsubscribe(other)
    assert hub.tell_people("friends", ["anna"], "presence", {"n": 2}) == 0
    await hub.subscribe(page, "friends:anna", Position(first["epoch"], first["seq"] + 1))
    assert (await read(page, 1))[0]["type"] == "snapshot"


async def test_what_happens_while_a_snapshot_is_made_comes_after_it() -> None:
    hub = EventHub()
    made: list[str] = []

    async def mine(topic: str, _viewer: object) -> dict[str, Any]:
        made.append(topic)
        hub.tell_people("friends", ["anna"], "presence", {"n": 1})
        return {}

    hub.provide_personal("friends", mine)
    page = Subscriber()
    await hub.subscribe(page, "friends:anna")
    assert [item["type"] for item in await read(page, 2)] == ["snapshot", "presence"]
    assert len(made) == 1
