"""The event socket."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import aiohttp
import pytest

from server.accounts import Action
from server.accounts.access import About
from server.app import Server
from server.inference.lane import DenoiserStatus
from server.web import topics
from server.web.handlers import events as module
from server.web.services import Services
from server.web.topics import Topic
from tests.web.test_routes import problem


async def subscribe(http: aiohttp.ClientSession, *topics: Any, **options: Any) -> aiohttp.ClientWebSocketResponse:
    opened = await http.ws_connect("/api/v1/events", **options)
    wanted = [topic if isinstance(topic, dict) else {"topic": topic} for topic in topics]
    await opened.send_json({"type": "subscribe", "topics": wanted})
    return opened


async def test_snapshots_then_events_then_what_was_missed(server: Server, http: aiohttp.ClientSession) -> None:
    page = await subscribe(http, "streams", "recordings", "system")
    snapshots = [await page.receive_json(timeout=30) for _ in range(3)]
    assert [item["type"] for item in snapshots] == ["snapshot"] * 3
    assert [set(item["data"]) for item in snapshots] == [{"items"}, {"items"}, {"denoise", "captions"}]

    server.services.denoise.tell(DenoiserStatus("degraded", None, "", "The worker is down."))  # type: ignore[attr-defined]
    told = [await page.receive_json(timeout=30) for _ in range(2)]
    by_topic = {item["topic"]: item for item in told}
    assert by_topic["system"]["type"] == "degraded"
    assert by_topic["system"]["data"]["denoise"]["detail"] == "The worker is down."
    assert by_topic["streams"]["data"] == {"stream": None, "stage": "denoise", "detail": "The worker is down."}
    await page.close()

    server.services.hub.publish("streams", "listeners", {"n": 1})
    seen = by_topic["streams"]
    page = await subscribe(http, {"topic": "streams", "epoch": seen["epoch"], "seq": seen["seq"]})
    missed = await page.receive_json(timeout=30)
    assert (missed["type"], missed["seq"]) == ("listeners", seen["seq"] + 1)
    await page.send_json({"type": "unsubscribe", "topics": ["streams"]})
    await page.send_json({"type": "subscribe", "topics": [{"topic": "nothing"}]})
    assert (await page.receive_json(timeout=30))["type"] == "error"  # so the topic has been left by now
    server.services.hub.publish("streams", "listeners", {"n": 2})
    with pytest.raises(asyncio.TimeoutError):
        await page.receive_json(timeout=0.2)
    await page.close()


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", "invalid-message"),
        ("[]", "invalid-message"),
        ('{"type":"dance"}', "invalid-message"),
        ('{"type":"subscribe","topics":"streams"}', "invalid-message"),
        ('{"type":"subscribe","topics":[{"topic":"nothing"}]}', "unknown-topic"),
        ('{"type":"subscribe","topics":[{"topic":"stream:nothing"}]}', "unknown-stream"),
        ("[" * 9_000, "invalid-message"),
    ],
)
async def test_messages_that_mean_nothing_are_answered(http: aiohttp.ClientSession, message: str, code: str) -> None:
    async with http.ws_connect("/api/v1/events") as page:
        await page.send_str(message)
        answer = await page.receive_json(timeout=30)
        assert answer["type"] == "error"
        assert answer["data"]["code"] == code
        await page.send_json({"type": "subscribe", "topics": [{"topic": "streams"}]})
        assert (await page.receive_json(timeout=30))["type"] == "snapshot"


async def test_topics_are_limited(http: aiohttp.ClientSession, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    async def anything(topic: str, viewer: object) -> dict[str, Any]:
        return {}

    async def found(services: Services, subject: str) -> About:
        return About("stream", subject, "local")

    server.services.hub.provide("any:", anything)
    monkeypatch.setitem(topics.TOPICS, "any:", Topic("any:", Action.READ_STREAM, "Anything", found))
    async with http.ws_connect("/api/v1/events") as page:
        for start in (0, 40):
            wanted = [{"topic": f"any:{number}"} for number in range(start, start + 40)]
            await page.send_json({"type": "subscribe", "topics": wanted})
        kinds = [(await page.receive_json(timeout=30))["type"] for _ in range(module.MAX_TOPICS + 1)]
    assert sorted(kinds) == ["error"] + ["snapshot"] * module.MAX_TOPICS


async def test_huge_and_binary_messages_end_the_connection(http: aiohttp.ClientSession) -> None:
    async with http.ws_connect("/api/v1/events") as page:
        await page.send_str("x" * 40_000)
        assert (await page.receive(timeout=30)).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
    async with http.ws_connect("/api/v1/events") as page:
        await page.send_bytes(b"x")
        assert (await page.receive(timeout=30)).type is aiohttp.WSMsgType.CLOSE


async def test_a_heartbeat_comes_while_nothing_happens(
    http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HEARTBEAT", 0.05)
    async with http.ws_connect("/api/v1/events") as page:
        for _ in range(3):
            assert await page.receive_json(timeout=30) == {"type": "heartbeat"}


async def test_pages_of_other_sites_hear_nothing(http: aiohttp.ClientSession, server: Server) -> None:
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await http.ws_connect("/api/v1/events", headers=headers)
        assert caught.value.status == 403
    page = await http.ws_connect("/api/v1/events", headers={"Origin": f"http://127.0.0.1:{server.port}"})
    await page.close()


async def test_a_plain_request_is_told_what_this_is(http: aiohttp.ClientSession) -> None:
    async with http.get("/api/v1/events") as response:
        assert (await problem(response, 400))["code"] == "not-a-websocket"


async def test_somebody_who_does_not_read_is_cut_off(server: Server, http: aiohttp.ClientSession) -> None:
    connection = socket.create_connection(("127.0.0.1", server.port))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    connection.setblocking(False)
    loop = asyncio.get_running_loop()
    handshake = (
        f"GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    await loop.sock_sendall(connection, handshake.encode())
    assert b"101" in await loop.sock_recv(connection, 4_096)
    message = json.dumps({"type": "subscribe", "topics": [{"topic": "streams"}]}).encode()
    frame = bytes([0x81, 0x80 | len(message), 0, 0, 0, 0]) + message
    await loop.sock_sendall(connection, frame)

    reader = await subscribe(http, "streams")
    await reader.receive_json(timeout=30)
    for _ in range(3_000):
        if len(server.services.sockets) == 2:
            break
        await asyncio.sleep(0.01)
    # The good reader keeps up with all of this; the other one's buffers fill, however large this machine's are.
    for number in range(40_000):
        if len(server.services.sockets) == 1:
            break
        server.services.hub.publish("streams", "listeners", {"n": number, "padding": "x" * 4_000})
        if number % 20 == 0:
            for _ in range(20):
                await reader.receive_json(timeout=30) if number else None
    for _ in range(1_500):
        if len(server.services.sockets) == 1:
            break
        await asyncio.sleep(0.02)
    assert len(server.services.sockets) == 1
    assert not reader.closed
    await reader.close()
    connection.close()


async def test_pages_are_told_that_the_server_goes_down(server: Server, http: aiohttp.ClientSession) -> None:
    page = await subscribe(http, "streams")
    await page.receive_json(timeout=30)
    heard = asyncio.create_task(everything(page))
    async with asyncio.timeout(30):
        await server.close()
    assert await heard == [{"type": "server_closing", "data": {"retry_after": 5}}]
    assert page.close_code == aiohttp.WSCloseCode.SERVICE_RESTART


async def everything(page: aiohttp.ClientWebSocketResponse) -> list[dict[str, Any]]:
    """All that is said until the socket is closed."""
    return [json.loads(message.data) async for message in page]
