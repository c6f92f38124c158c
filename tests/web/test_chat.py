"""What people write beside a live stream."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from server.accounts import Actor, Role
from server.app import Server
from server.client.whip import Publication
from server.store.chat_records import ChatKind
from server.store.people_schema import UserRow
from server.web.allowance import Allowance
from tests.web.test_events import subscribe
from tests.web.test_live_captions import ask
from tests.web.test_routes import problem
from tests.web.test_streams import live

__all__ = ["live"]

BEN = Actor("ben", "Ben", Role.MEMBER)


@pytest.fixture
async def path(server: Server, live: Publication) -> str:
    async with server.services.store._database.write() as session:
        session.add(
            UserRow(
                id=BEN.id,
                name="ben",
                display_name="Ben",
                password="",
                administrator=False,
                bio="",
                preferences={},
                created_at=server.services.clock.wall(),
            )
        )
    return f"/api/v1/streams/{live.stream_id}/chat"


async def told(page: aiohttp.ClientWebSocketResponse, kind: str) -> dict[str, Any]:
    while True:
        event = await page.receive_json(timeout=30)
        if event["type"] == kind:
            data: dict[str, Any] = event["data"]
            return data


async def test_what_is_written_is_seen_at_once_and_kept_at_its_time(
    server: Server, http: aiohttp.ClientSession, live: Publication, path: str
) -> None:
    page = await subscribe(http, f"chat:{live.stream_id}")
    assert await told(page, "snapshot") == {"open": True, "total": 0, "items": []}
    at = server.services.media.stream(str(live.stream_id)).position
    wrote = await ask(http, "POST", path, {"text": "  Grüße\n aus 東京 <b>🎙️</b> "}, status=201)
    assert (wrote["text"], wrote["kind"], wrote["kept"]) == ("Grüße aus 東京 <b>🎙️</b>", "text", True)
    assert at <= wrote["at"] <= server.services.media.stream(str(live.stream_id)).position
    assert await told(page, "chat_message") == wrote
    clapped = await ask(http, "POST", path, {"reaction": "👏"}, status=201)
    assert await told(page, "reaction") == clapped

    first = await ask(http, "GET", f"{path}?limit=1")
    rest = await ask(http, "GET", f"{path}?limit=1&cursor={first['next']}")
    assert (first["items"], first["total"], first["open"]) == ([wrote], 2, True)
    assert (rest["items"], rest["next"]) == ([clapped], None)

    later = await subscribe(http, f"chat:{live.stream_id}")
    assert (await told(later, "snapshot"))["items"] == [wrote, clapped]
    await ask(http, "DELETE", f"{path}/{wrote['id']}", status=204)
    assert await told(page, "chat_deleted") == {"id": wrote["id"]}
    assert [item["id"] for item in (await ask(http, "GET", path))["items"]] == [clapped["id"]]
    async with http.delete(f"{path}/{wrote['id']}") as response:
        await problem(response, 404)
    await page.close()
    await later.close()

    await ask(http, "POST", f"/api/v1/streams/{live.stream_id}/end")
    async with http.post(path, json={"text": "too late"}) as response:
        assert (await problem(response, 409))["code"] == "stream-ended"
    assert (await ask(http, "GET", path))["total"] == 1


async def test_the_owner_moderates_and_others_take_away_what_is_theirs(
    server: Server, http: aiohttp.ClientSession, live: Publication, path: str
) -> None:
    host = server.services.actor
    hosts = await ask(http, "POST", path, {"text": "Welcome"}, status=201)
    server.services.actor = BEN
    bens = [await ask(http, "POST", path, {"text": text}, status=201) for text in ("Hello", "Rubbish")]
    async with http.delete(f"{path}/{hosts['id']}") as response:
        await problem(response, 403)
    async with http.put(f"{path}/open", json={"open": False}) as response:
        await problem(response, 403)
    await ask(http, "DELETE", f"{path}/{bens[0]['id']}", status=204)

    server.services.actor = host
    await ask(http, "DELETE", f"{path}/{bens[1]['id']}", status=204)
    page = await subscribe(http, f"chat:{live.stream_id}")
    await told(page, "snapshot")
    await ask(http, "PUT", f"{path}/open", {"open": False}, status=204)
    assert await told(page, "chat_state") == {"open": False}
    await ask(http, "POST", path, {"text": "Only I may"}, status=201)
    server.services.actor = BEN
    async with http.post(path, json={"text": "May I?"}) as response:
        assert (await problem(response, 403))["code"] == "chat-closed"
    assert [item["text"] for item in (await ask(http, "GET", path))["items"]] == ["Welcome", "Only I may"]
    server.services.actor = host
    await ask(http, "PUT", f"{path}/open", {"open": True}, status=204)
    server.services.actor = BEN
    await ask(http, "POST", path, {"text": "Thanks"}, status=201)
    await page.close()


async def test_nothing_is_kept_off_the_record_or_without_a_recording(
    server: Server, http: aiohttp.ClientSession, live: Publication, path: str
) -> None:
    stream = server.services.media.stream(str(live.stream_id))
    off = replace(stream, captions=replace(stream.captions, off_record=True))
    page = await subscribe(http, f"chat:{live.stream_id}")
    await told(page, "snapshot")
    now = server.services.clock.wall()
    await server.services.chat.say(off, server.services.actor, ChatKind.TEXT, "Between us", now)
    assert (await told(page, "chat_message"))["kept"] is False
    await ask(http, "POST", path, {"text": "For all"}, status=201)
    assert [item["text"] for item in (await ask(http, "GET", path))["items"]] == ["For all"]
    await server.services.chat.over(replace(stream, recording=replace(stream.recording, id=None)))
    assert (await ask(http, "GET", path))["items"] == []
    await page.close()


async def test_messages_that_mean_nothing(http: aiohttp.ClientSession, path: str) -> None:
    wrong: list[Any] = [{}, {"text": ""}, {"text": " \n "}, {"text": "x" * 501}, {"text": "a\u0000b"}, {"text": ["x"]}]
    wrong += [{"text": "x", "reaction": "👏"}, {"reaction": "<img>"}, {"text": "x", "name": "Somebody else"}]
    for body in wrong:
        async with http.post(path, json=body) as response:
            await problem(response, 400)


async def test_nobody_floods_a_chat(server: Server, http: aiohttp.ClientSession, path: str) -> None:
    server.services.chat_allowance = Allowance(2, 60.0)
    for text in ("1", "2"):
        await ask(http, "POST", path, {"text": text}, status=201)
    async with http.post(path, json={"text": "3"}) as response:
        await problem(response, 429)
        assert int(response.headers["Retry-After"]) > 0
    server.services.actor = BEN
    await ask(http, "POST", path, {"text": "Somebody else may"}, status=201)


async def test_there_may_be_no_chat(start: Any) -> None:
    server = await start(chat=False)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as http:
        publication = await Publication.start(f"http://127.0.0.1:{server.port}/whip/studio")
        async with http.get(f"/api/v1/streams/{publication.stream_id}/chat") as response:
            await problem(response, 404)
        page = await subscribe(http, f"chat:{publication.stream_id}")
        assert (await told(page, "error"))["code"] == "unknown-topic"
        await publication.stop()
        await page.close()
