"""A stream from going live to its recording, with a real publisher."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import numpy as np
import pytest

from server.app import Server
from server.client.whip import Publication, packets
from server.clock import PACKET
from server.errors import ChannelLive
from tests.web.test_events import everything
from tests.web.test_routes import problem


async def say_something(publication: Publication, seconds: float) -> None:
    tone = (0.3 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * 48_000)) / 48_000)).astype(np.float32)
    for number, packet in enumerate(packets([tone])):
        publication.send(packet, number * PACKET)
        await asyncio.sleep(0.02)


@asynccontextmanager
async def talking(publication: Publication) -> AsyncIterator[None]:
    """Somebody talks all the while."""
    task = asyncio.create_task(say_something(publication, 60.0))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def live(server: Server) -> AsyncIterator[Publication]:
    """A stream that has been live for half a second; nobody talks any more."""
    publication = await Publication.start(f"http://127.0.0.1:{server.port}/whip/studio", title="Über 你好")
    async with asyncio.timeout(30), talking(publication):
        while server.services.media.stream(str(publication.stream_id)).position < 24_000:
            await asyncio.sleep(0.02)
    yield publication
    await publication.stop()


async def test_a_stream_is_seen_changed_ended_and_kept(
    server: Server, http: aiohttp.ClientSession, live: Publication
) -> None:
    page = await http.ws_connect("/api/v1/events")
    topics = [{"topic": f"stream:{live.stream_id}"}, {"topic": "recordings"}]
    await page.send_json({"type": "subscribe", "topics": topics})
    assert (await event(page, "snapshot"))["stream"]["title"] == "Über 你好"
    recordings = (await event(page, "snapshot"))["items"]
    assert [item["state"] for item in recordings] == ["recording"]

    async with http.get("/api/v1/streams", params={"state": "live"}) as response:
        items = (await response.json())["items"]
    assert [(item["id"], item["state"], item["you_own"]) for item in items] == [(live.stream_id, "live", True)]
    assert items[0]["recording"] == {"on": True, "id": live.stream_id, "detail": ""}
    async with http.get("/api/v1/channels/studio") as response:
        assert (await response.json())["stream"]["id"] == live.stream_id

    path = f"/api/v1/streams/{live.stream_id}"
    changes = {"title": "New", "denoise": "bypassed", "recording": False}
    async with http.patch(path, json=changes) as response:
        changed = await response.json()
    assert (changed["title"], changed["denoise"]["mode"], changed["recording"]["on"]) == ("New", "bypassed", False)
    assert await event(page, "stream_updated")
    async with http.patch(path, json={"denoise_strength": 0.5, "post_filter": True}) as response:
        amount = (await response.json())["denoise"]
    assert (amount["strength"], amount["post_filter"]) == (0.5, True)
    assert await event(page, "stream_updated")
    for wrong in ({"denoise_strength": 1.5}, {"denoise": "absent"}, {"title": "x" * 201}, {"recording": "perhaps"}):
        async with http.patch(path, json=wrong) as response:
            await problem(response, 400)
    async with http.delete(f"/api/v1/recordings/{live.stream_id}") as response:
        assert (await problem(response, 409))["code"] == "still-recording"

    async with http.post(f"{path}/end") as response:
        ended = await response.json()
    assert (ended["state"], ended["end_reason"]) == ("ended", "ended")
    told = {}
    while "recording_ready" not in told:
        said = await page.receive_json(timeout=30)
        told[said["type"]] = said["data"]
    assert told["stream_ended"]["state"] == "ended"
    assert told["recording_ready"]["title"] == "New"
    assert 0.4 < told["recording_ready"]["duration_s"] <= ended["duration_s"] + 0.02

    async with http.get(path) as response:
        stored = await response.json()
    assert (stored["state"], stored["recording"]["id"]) == ("ended", live.stream_id)
    for method, address, body in (("PATCH", path, {"title": "x"}), ("POST", f"{path}/end", None)):
        async with http.request(method, address, json=body) as response:
            assert (await problem(response, 409))["code"] == "stream-ended"
    async with http.get("/api/v1/streams", params={"state": "live"}) as response:
        assert (await response.json())["items"] == []
    await page.close()


async def test_a_stream_that_has_just_ended_has_its_true_length_at_once(
    server: Server, http: aiohttp.ClientSession, live: Publication
) -> None:
    path = f"/api/v1/streams/{live.stream_id}"
    async with http.get(path) as response:
        shown = await response.json()
    async with http.delete(live.location) as response:
        assert response.status == 200
    answers = []
    for number in range(20):
        async with http.get(path if number % 2 else "/api/v1/streams") as response:
            answer = await response.json()
        answers.append(answer if number % 2 else answer["items"][0])
        await asyncio.sleep(0.01)
    assert {answer["state"] for answer in answers} == {"ended"}
    assert {answer["recording"]["on"] for answer in answers} == {False}
    assert len({(answer["duration_s"], answer["ended_at"]) for answer in answers}) == 1
    assert answers[0]["duration_s"] >= shown["duration_s"] >= 0.5


async def test_a_stream_outlives_the_server_and_ends_when_nobody_comes_back(
    server: Server, live: Publication, start: Callable[..., Any]
) -> None:
    path = f"/api/v1/streams/{live.stream_id}"
    async with aiohttp.ClientSession(server.url) as http:
        page = await http.ws_connect("/api/v1/events")
        await page.send_json({"type": "subscribe", "topics": [{"topic": f"stream:{live.stream_id}"}]})
        told = asyncio.create_task(everything(page))
        await page_is_there(server)
        await server.close()
        events = [(event["type"], event["data"].get("state")) for event in await told if event["type"] != "levels"]
    assert events[-2:] == [("server_closing", None), ("stream_state", "reconnecting")]

    second = await start()
    async with aiohttp.ClientSession(second.url) as http:
        async with http.get("/api/v1/streams", params={"state": "live"}) as response:
            (waiting,) = (await response.json())["items"]
        assert (waiting["id"], waiting["state"], waiting["title"]) == (live.stream_id, "reconnecting", "Über 你好")
        assert waiting["reconnect_by"] is not None
        async with http.get("/api/v1/recordings") as response:
            assert [item["state"] for item in (await response.json())["items"]] == ["recording"]
    back = await Publication.start(f"{second.url}/whip/studio", resume_token=live.resume_token)
    assert (back.stream_id, back.resume_token) == (live.stream_id, live.resume_token)
    await say_something(back, 0.5)
    await second.close()
    await back.stop()

    third = await start(reconnect_s=1)
    async with aiohttp.ClientSession(third.url) as http:
        page = await http.ws_connect("/api/v1/events")
        await page.send_json({"type": "subscribe", "topics": [{"topic": "recordings"}]})
        kept = await event(page, "recording_ready")
        await page.close()
        async with http.get(path) as response:
            over = await response.json()
    assert (over["state"], over["end_reason"]) == ("ended", "shutdown")
    assert (kept["id"], kept["state"]) == (live.stream_id, "ready")
    assert kept["duration_s"] == pytest.approx(over["duration_s"], abs=0.021)
    assert over["duration_s"] > 1.0


async def page_is_there(server: Server) -> None:
    while not server.services.sockets:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)


async def event(page: aiohttp.ClientWebSocketResponse, kind: str) -> dict[str, Any]:
    while (said := await page.receive_json(timeout=30))["type"] != kind:
        pass
    data: dict[str, Any] = said["data"]
    return data


async def test_a_stream_without_noise_removal_cannot_get_it(server: Server, http: aiohttp.ClientSession) -> None:
    url = f"http://127.0.0.1:{server.port}/whip/studio"
    publication = await Publication.start(url, denoise="absent", record=False)
    await say_something(publication, 0.2)
    async with http.patch(f"/api/v1/streams/{publication.stream_id}", json={"denoise": "active"}) as response:
        assert (await problem(response, 409))["code"] == "denoise-absent"
    await publication.stop()


async def test_whoever_lost_the_connection_goes_on_with_the_same_stream(
    server: Server, http: aiohttp.ClientSession, live: Publication
) -> None:
    url = f"http://127.0.0.1:{server.port}/whip/studio"
    async with talking(live):
        with pytest.raises(ChannelLive):
            await Publication.start(url)
    await asyncio.sleep(1.1)  # the first connection has been silent for a second: it may be replaced
    again = await Publication.start(url, title="Not another stream")
    assert again.stream_id == live.stream_id
    await say_something(again, 0.3)
    async with http.get(f"/api/v1/streams/{again.stream_id}") as response:
        stream = await response.json()
    assert (stream["state"], stream["title"]) == ("live", "Über 你好")
    assert stream["duration_s"] > 1.5
    await again.stop()
    async with http.get("/api/v1/recordings") as response:
        assert (await response.json())["total"] == 1
