"""The library over HTTP: searched, narrowed down, sorted; collections of what is in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from server.app import Server
from server.speech.speakers import SpeakerName
from server.store.captions import CaptionBatch
from server.store.people_records import Access, AccessRule
from server.store.records import Recording, StoredStream
from server.store.store import Store
from tests.people import Person, Town, town
from tests.recordings.writing import STARTED
from tests.store.rows import caption
from tests.web.test_routes import problem


async def keep(store: Store, id_: str, channel_id: str, owner: str, said: list[str], **values: Any) -> None:
    """A recording in which Anna says that."""
    stream = StoredStream(id_, channel_id, owner, "Anna", id_, "ended", STARTED, STARTED, recorded=True)
    await store.save_stream(stream)
    kept = Recording(id_, id_, id_, "", "", "", "", STARTED, "ready", **values)
    await store.save_recording(kept)
    names = {id_: [SpeakerName("S1", "Anna", "person")]}
    captions = [caption(number, text) for number, text in enumerate(said, 1)]
    await store.captions.save(CaptionBatch({id_: captions}, names))


@pytest.fixture
async def shelf(server: Server) -> Server:
    home, store = server.services.default_channel, server.services.store
    await keep(store, "talk", home.id, "local", ["A 🎙 talk of budgets", "and of weather"])
    await keep(store, "walk", home.id, "local", ["About walking"], length=48_000)
    return server


async def test_a_search_shows_where_it_was_said_and_by_whom(shelf: Server, http: aiohttp.ClientSession) -> None:
    async with http.get("/api/v1/recordings", params={"search": "budget"}) as response:
        body = await response.json()
    (item,) = body["items"]
    (match,) = item["matches"]
    assert (body["total"], item["id"], match["speaker"], match["start_s"]) == (1, "talk", "Anna", 10.0)
    ((start, end),) = match["marks"]
    assert match["text"].encode("utf-16-le")[2 * start : 2 * end].decode("utf-16-le") == "budgets"
    async with http.get("/api/v1/recordings", params={"search": "talk"}) as response:
        (titled,) = (await response.json())["items"]
    assert [match["text"] for match in titled["matches"]] == ["A 🎙 talk of budgets"]
    async with http.get("/api/v1/recordings", params={"search": "  "}) as response:
        everything = await response.json()
    assert everything["total"] == 2
    assert all("matches" not in item for item in everything["items"])


async def test_lists_are_narrowed_down_and_sorted(shelf: Server, http: aiohttp.ClientSession) -> None:
    asked = {
        "sort=longest": ["walk", "talk"],
        "sort=title&speaker=Anna": ["talk", "walk"],
        "speaker=Ben": [],
        "origin=upload": [],
        "state=ready&origin=live&search=weather": ["talk"],
        "since=2026-11-03T12:00:00Z&search=walk": ["walk"],
        "until=2026-11-03T12:00:00Z": [],
        "language=de": [],
    }
    for query, expected in asked.items():
        async with http.get(f"/api/v1/recordings?{query}") as response:
            assert [item["id"] for item in (await response.json())["items"]] == expected, query
    refused = ("sort=best", "since=yesterday", "since=2026-11-03T12:00:00", "state=lost", f"search={'x' * 10_000}")
    for query in (*refused, "cursor=abc", "search=" + "+".join(f"w{number}" for number in range(20))):
        async with http.get(f"/api/v1/recordings?{query}") as response:
            await problem(response, 400)
    async with http.get("/api/v1/recordings?collection=none") as response:
        await problem(response, 404)


async def test_a_collection_is_made_filled_put_in_order_and_deleted(shelf: Server, http: aiohttp.ClientSession) -> None:
    async with http.post("/api/v1/collections", json={"title": " Best of ", "description": "Both"}) as response:
        made = await response.json()
        assert (response.status, made["title"], made["recordings"], made["count"]) == (201, "Best of", [], 0)
    base = f"/api/v1/collections/{made['id']}"
    for ids in (["walk", "talk"], ["talk", "walk", "talk"], ["walk"]):
        async with http.put(f"{base}/recordings", json={"ids": ids}) as response:
            put = await response.json()
        assert [item["id"] for item in put["recordings"]] == list(dict.fromkeys(ids))
    async with http.put(f"{base}/recordings", json={"ids": ["walk", "lost"]}) as response:
        assert (await problem(response, 404))["code"] == "unknown-recording"
    async with http.get("/api/v1/collections") as response:
        (listed,) = (await response.json())["items"]
    assert (listed["count"], listed["title"]) == (1, "Best of")
    async with http.get(f"/api/v1/recordings?collection={made['id']}&search=walk") as response:
        assert [item["id"] for item in (await response.json())["items"]] == ["walk"]
    async with http.patch(base, json={"title": "Worst of"}) as response:
        changed = await response.json()
    assert (changed["title"], changed["description"], changed["count"]) == ("Worst of", "Both", 1)
    for body in ({}, {"title": ""}, {"title": "a\nb"}, {"title": "x" * 201}, {"description": "x" * 6_000}, {"more": 1}):
        async with http.patch(base, json=body) as response:
            await problem(response, 400)
    async with http.put(f"{base}/recordings", json={"ids": ["walk"] * 501}) as response:
        await problem(response, 400)
    async with http.delete("/api/v1/recordings/walk") as response:
        assert response.status == 204
    async with http.get(base) as response:
        assert (await response.json())["recordings"] == []
    async with http.put(f"{base}/recordings", json={"ids": ["talk"]}) as response:
        assert [item["id"] for item in (await response.json())["recordings"]] == ["talk"]
    async with http.post("/api/v1/recordings/walk/restore") as response:
        assert response.status == 200
    async with http.get(base) as response:  # what comes back from the bin is in its place again
        assert [item["id"] for item in (await response.json())["recordings"]] == ["walk", "talk"]
    async with http.delete(base) as response:
        assert response.status == 204
    async with http.get(base) as response:
        await problem(response, 404)
    async with http.get("/api/v1/recordings/talk") as response:
        assert response.status == 200


@pytest.fixture
async def place(tmp_path: Any) -> AsyncIterator[Town]:
    async with town(tmp_path / "data") as made:
        yield made


async def test_of_a_collection_one_sees_what_one_may_see(place: Town) -> None:
    await place.add("admin")
    olga, ben = await place.add("olga"), await place.add("ben")
    await _fill(place, olga)
    async with olga.http.post("/api/v1/collections", json={"title": "Mixed"}) as response:
        id_ = (await response.json())["id"]
    async with olga.http.put(f"/api/v1/collections/{id_}/recordings", json={"ids": ["hers", "open"]}) as response:
        assert response.status == 200
    async with ben.http.get(f"/api/v1/collections/{id_}") as response:
        await problem(response, 404)
    async with olga.http.put(f"/api/v1/collections/{id_}/access", json={"access": "public"}) as response:
        assert response.status == 200
    async with ben.http.get(f"/api/v1/collections/{id_}") as response:
        seen = await response.json()
    assert ([item["id"] for item in seen["recordings"]], seen["count"], seen["access"]) == (["open"], 1, None)
    async with ben.http.get("/api/v1/collections") as response:
        assert [item["count"] for item in (await response.json())["items"]] == [1]
    async with ben.http.get("/api/v1/recordings", params={"search": "secret"}) as response:
        assert (await response.json())["items"] == []
    async with ben.http.post("/api/v1/collections", json={"title": "Mine"}) as response:
        mine = (await response.json())["id"]
    async with ben.http.put(f"/api/v1/collections/{mine}/recordings", json={"ids": ["hers"]}) as response:
        await problem(response, 404)
    async with ben.http.put(f"/api/v1/collections/{mine}/recordings", json={"ids": ["open"]}) as response:
        assert response.status == 200


async def _fill(place: Town, olga: Person) -> None:
    services = place.services
    home = (await services.store.channels(owner=olga.id)).items[0]
    await keep(services.store, "hers", home.id, olga.id, ["A secret"])
    await keep(services.store, "open", home.id, olga.id, ["Nothing of the kind"])
    await services.access.put(("recording", "open"), AccessRule(Access.PUBLIC))


async def test_a_summary_by_rules_is_there_and_one_by_a_model_where_one_is_named(
    shelf: Server, http: aiohttp.ClientSession
) -> None:
    async with http.get("/api/v1/recordings/talk/summary") as response:
        found = await response.json()
    assert [(item["name"], item["share"], item["words"]) for item in found["speakers"]] == [("Anna", 1.0, 8)]
    assert (found["words"], found["text"], found["writable"]) == (8, None, False)
    async with http.post("/api/v1/recordings/talk/summary") as response:
        assert (await problem(response, 409))["code"] == "summary-off"
