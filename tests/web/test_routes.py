"""Every route: declared, guarded, described, and with errors of the one shape."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest

from server import app
from server.accounts.gate import RULES, Actor, Role, Rule
from server.app import Server
from server.errors import ClearcastError, InvalidRequest, Unavailable
from server.store.collections import Collection
from server.store.ids import new_id
from server.store.records import Recording, StoredStream, VoicePrint
from server.store.uploads import Upload
from server.web import binding, body, docs, problems
from server.web.openapi import document
from server.web.routing import Route
from server.web.server import ROUTES
from tests.store.people import add_people

CLOSED = [route for route in ROUTES if RULES[route.action] not in (Rule.EVERYBODY, Rule.VIEWER)]


def address(route: Route) -> str:
    return re.sub(r"\{\w+(:[^}]*)?\}", "studio", route.path)


def name(route: Route) -> str:
    return f"{route.method} {route.path}"


async def problem(response: aiohttp.ClientResponse, status: int) -> dict[str, Any]:
    """The problem that a response carries, checked for the one shape."""
    text = await response.text()
    assert response.status == status, text
    assert response.content_type == "application/problem+json"
    body: dict[str, Any] = json.loads(text)
    assert {"type", "title", "status", "detail", "code"} <= body.keys()
    assert body["status"] == status
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", body["code"])
    assert body["detail"]
    assert response.headers["X-Request-Id"]
    return body


def test_routes_are_declared_once() -> None:
    assert len({(route.method, route.path) for route in ROUTES}) == len(ROUTES)
    assert len(ROUTES) > 30


def test_every_public_function_of_the_api_has_a_model() -> None:
    for route in ROUTES:
        if route.path.startswith("/api/") and route.status == 200:
            assert route.answer is not None or route.produces is not None, name(route)


async def test_nobody_gets_past_the_gate(server: Server, http: aiohttp.ClientSession) -> None:
    server.services.actor = Actor("", "", Role.NOBODY)
    for route in CLOSED:
        headers = {"Content-Type": route.accepts} if route.accepts else {}
        async with http.request(route.method, address(route), headers=headers, data=b"") as response:
            assert (await problem(response, 401))["code"] == "not-authenticated", name(route)


async def test_somebody_else_cannot_change_what_is_not_theirs(server: Server, http: aiohttp.ClientSession) -> None:
    server.services.actor = Actor("somebody-else", "Ben")
    async with http.post("/whip/studio", data="v=0", headers={"Content-Type": "application/sdp"}) as response:
        await problem(response, 403)


@pytest.mark.parametrize("route", [route for route in ROUTES if "{" in route.path], ids=name)
async def test_what_is_not_there_is_not_found(http: aiohttp.ClientSession, route: Route) -> None:
    if route.method == "OPTIONS" or route.produces == "text/html":  # the page says by itself that nothing is there
        return
    headers = {"Content-Type": route.accepts} if route.accepts else {}
    path = re.sub(r"\{\w+(:[^}]*)?\}", "nothing-of-the-kind", route.path)
    async with http.request(route.method, path, headers=headers, data=b"{}" if route.accepts else None) as response:
        await problem(response, 404)


APART = ("/streams/", "/admin/")
"""What is live, and accounts, have tests of their own."""
FILLED = [route for route in ROUTES if route.body and not any(part in route.path for part in APART)]


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        pytest.param("text/plain", b"{}", 415, id="type"),
        pytest.param("application/json", b"{", 400, id="cut"),
        pytest.param("application/json", b'"text"', 400, id="text"),
        pytest.param("application/json", b"[" * 50_000, 400, id="deep"),
        pytest.param("application/json", b'{"title": 1, "name": 1}', 400, id="numbers"),
        pytest.param("application/json", b'{"unheard_of": 1}', 400, id="unknown"),
        pytest.param("application/json", b"\xff\xfe", 400, id="bytes"),
        pytest.param("application/json", b" " * 300_000, 413, id="huge"),
    ],
)
async def test_bodies_that_mean_nothing(
    server: Server, http: aiohttp.ClientSession, content_type: str, body: bytes, status: int
) -> None:
    await add_people(server.services.store, "local")
    for route in FILLED:
        path = await thing_at(server, route)
        async with http.request(route.method, path, headers={"Content-Type": content_type}, data=body) as response:
            assert response.status == status, name(route)
            await problem(response, status)


async def thing_at(server: Server, route: Route) -> str:
    """The route's address with something real in it."""
    if "{id}" not in route.path:
        return address(route)
    services = server.services
    if "/voices/" in route.path:
        heard = VoicePrint("model", np.ones(2, np.float32), 9.0)
        voice = await services.store.voices.learn("local", "Anna", [heard], services.clock.wall())
        return route.path.replace("{id}", voice.id)
    if "/groups/" in route.path:
        group = await services.store.groups.add("local", new_id(), services.clock.wall())
        return route.path.replace("{id}", group.id)
    if "/collections/" in route.path:
        made = Collection(new_id(), "local", "Talks", "", services.clock.wall())
        await services.store.collections.add(made)
        return route.path.replace("{id}", made.id)
    if "/uploads/" in route.path:
        upload = Upload(new_id(), "local", "talk.mp3", 10, services.clock.wall(), services.clock.wall())
        await services.store.uploads.add(upload)
        return route.path.replace("{id}", upload.id)
    home = services.default_channel
    stream = StoredStream("abc", home.id, "local", "Anna", "Talk", "ended", home.created_at, home.created_at)
    await services.store.save_stream(stream)
    await services.store.save_recording(Recording("abc", "abc", "Talk", "", "", "", "", home.created_at, "ready"))
    return route.path.replace("{id}", "abc")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "TRACE"])
@pytest.mark.parametrize("path", ["/api/v1/channels", "/whip/studio", "/whep/studio", "/health/live", "/"])
async def test_other_methods_are_named(http: aiohttp.ClientSession, method: str, path: str) -> None:
    async with http.request(method, path) as response:
        if response.status == 200:
            assert method == "GET"
            return
        await problem(response, 405)
        assert method not in response.headers["Allow"]


async def test_an_address_that_leads_nowhere(http: aiohttp.ClientSession) -> None:
    for path in (
        "/api/v1/nothing",
        "/nothing",
        "/static/nothing.js",
        "/static/../server/app.py",
        "/static/%2e%2e/README.md",
    ):
        async with http.get(path) as response:
            await problem(response, 404)


async def test_what_nobody_expected_is_logged_once_and_leaks_nothing(
    server: Server, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    logged: list[dict[str, Any]] = []
    monkeypatch.setattr("server.web.middleware.log.exception", lambda event, **values: logged.append(values))

    def broken() -> list[Any]:
        raise RuntimeError("the secret is 1234")

    monkeypatch.setattr(server.services.media, "streams", broken)
    async with http.get("/api/v1/streams?state=live") as response:
        body = await problem(response, 500)
    assert "1234" not in json.dumps(body)
    assert body["request_id"] == response.headers["X-Request-Id"]
    assert len(logged) == 1


async def test_what_is_no_http_is_answered_and_not_logged(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    for sent in (
        b"GET / HTTP/1.1\r\nbroken\r\n\r\n",
        b"\x16\x03\x01\x00\xff" * 20,
        b"GET /?" + b"x" * 40_000 + b" HTTP/1.1\r\n\r\n",
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(sent)
        assert b"400 Bad Request" in await asyncio.wait_for(reader.read(200), 30)
        writer.transport.abort()
    assert caplog.records == []


NEW_CHANNEL = b"POST /api/v1/channels HTTP/1.1\r\nContent-Type: application/json\r\nConnection: close\r\n"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /static/" + b"a" * 5000 + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 404),
        (NEW_CHANNEL + b"Host: localhost\r\nOrigin: http://[bad\r\nContent-Length: 2\r\n\r\n{}", 403),
        (NEW_CHANNEL + b"Host: localhost\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", 400),
        (b"GET /api/v1/me HTTP/1.1\r\nConnection: close\r\n\r\n", 400),
        (b"GET /api/v1/me HTTP/1.0\r\n\r\n", 200),
        (b"POST /api/v1/channels HTTP/1.0\r\nOrigin: http://a.example\r\nContent-Length: 0\r\n\r\n", 403),
    ],
    ids=["name too long", "malformed origin", "not gzip", "no host", "no host in HTTP/1.0", "origin without host"],
)
async def test_odd_requests_get_the_right_status(
    server: Server, monkeypatch: pytest.MonkeyPatch, request_: bytes, status: int
) -> None:
    def ask(name: str = "") -> str:
        raise AssertionError("the name service was asked on the event loop")

    monkeypatch.setattr(socket, "getfqdn", ask)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(request_)
    async with asyncio.timeout(30):
        assert int((await reader.read()).split()[1]) == status
    writer.close()


async def test_an_idle_connection_is_closed(monkeypatch: pytest.MonkeyPatch, start: Callable[..., Any]) -> None:
    monkeypatch.setattr(app, "KEEP_ALIVE", 0.2)
    server = await start()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
    async with asyncio.timeout(30):
        assert b" 200 " in await reader.read()
    writer.close()


@pytest.mark.parametrize("head", [b"", b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nX-Slow: "])
async def test_a_request_that_never_becomes_whole_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, start: Callable[..., Any], head: bytes
) -> None:
    """However steadily a little more of its head comes."""
    monkeypatch.setattr(app, "KEEP_ALIVE", 0.3)
    server = await start()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(head)
    ended = asyncio.ensure_future(reader.read())
    async with asyncio.timeout(30):
        while not ended.done():
            if head:
                writer.write(b"x")
            await asyncio.sleep(0.02)
    with contextlib.suppress(ConnectionError):
        assert await ended == b""
    writer.close()


async def test_more_connections_than_there_is_room_for_are_turned_away(
    monkeypatch: pytest.MonkeyPatch, start: Callable[..., Any]
) -> None:
    monkeypatch.setattr(binding, "MAX_CONNECTIONS", 5)
    server = await start()
    idle = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(5)]
    before = binding.CONNECTIONS.dropped
    for _ in range(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 503 ") and b"Retry-After: 30" in answer
        writer.close()
    assert binding.CONNECTIONS.dropped == before + 20
    assert max(binding.CONNECTIONS.lengths()) == 5
    idle.pop()[1].close()
    async with asyncio.timeout(30):  # until the server has noticed
        while len(server._runner.server.connections) == 5:
            await asyncio.sleep(0.01)
    async with aiohttp.ClientSession() as http, http.get(f"{server.url}/health/live") as response:
        assert response.status == 200
    for _, writer in idle:
        writer.close()


async def test_one_address_has_so_many_connections_and_a_trusted_proxy_any_number(
    start: Callable[..., Any], tmp_path: Path
) -> None:
    server = await start(max_connections_per_address=3)
    idle = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(3)]
    before = binding.EACH.dropped
    for _ in range(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 429 ") and b"Retry-After: 30" in answer
        writer.close()
    assert binding.EACH.dropped == before + 5
    assert max(binding.EACH.lengths()) == 3
    other = aiohttp.TCPConnector(local_addr=("127.0.0.2", 0))
    async with aiohttp.ClientSession(connector=other) as elsewhere, elsewhere.get(f"{server.url}/health/live") as found:
        assert found.status == 200
    idle.pop()[1].close()
    async with asyncio.timeout(30):  # until the server has noticed
        while len(server._runner.server.connections) > 2:
            await asyncio.sleep(0.01)
    async with aiohttp.ClientSession() as http, http.get(f"{server.url}/health/live") as response:
        assert response.status == 200
    for _, writer in idle:
        writer.close()

    folder = tmp_path / "behind"
    behind = await start(max_connections_per_address=1, trusted_proxies=["127.0.0.1"], data_dir=folder)
    idle = [await asyncio.open_connection("127.0.0.1", behind.port) for _ in range(3)]
    async with aiohttp.ClientSession() as http, http.get(f"{behind.url}/health/live") as response:
        assert response.status == 200
    for _, writer in idle:
        writer.close()


async def test_a_body_that_does_not_come_is_not_waited_for(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "BODY_TIMEOUT", 0.1)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(NEW_CHANNEL + b"Host: localhost\r\nContent-Length: 50\r\n\r\n{")
    async with asyncio.timeout(30):
        assert b" 408 " in await reader.readline()
        writer.write(b" " * 49)  # what comes later is read and thrown away
        assert b'"code": "too-slow"' in await reader.read()
    writer.close()


async def test_all_bodies_together_have_a_limit(server: Server) -> None:
    server.services.bodies = body.BodyRoom(most=100_000)
    before = body.BODIES.dropped
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(NEW_CHANNEL + b"Host: localhost\r\nContent-Length: 90000\r\n\r\n" + b" " * 80_000)
    async with asyncio.timeout(30):
        while server.services.bodies.held < 80_000:
            await asyncio.sleep(0.01)
    async with aiohttp.ClientSession(server.url) as http:
        async with http.post(
            "/api/v1/channels", data=b" " * 30_000, headers={"Content-Type": "application/json"}
        ) as response:
            assert (response.status, response.headers["Retry-After"]) == (503, "5")
            assert (await response.json())["code"] == "too-many-uploads"
        assert body.BODIES.dropped == before + 1
        async with asyncio.timeout(30):
            writer.write(b" " * 10_000)
            assert b" 400 " in await reader.readline()  # read whole, and no JSON
            async with http.post(
                "/api/v1/channels", data=b" " * 30_000, headers={"Content-Type": "application/json"}
            ) as response:
                assert response.status == 400
    assert server.services.bodies.held == 0
    writer.close()


def test_every_error_has_a_status() -> None:
    from server import errors

    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ClearcastError)]
    for kind in kinds:
        status = problems.status_of(kind("text"))
        assert status == 500 if kind in (ClearcastError, errors.SettingsError) else 400 <= status < 600
    assert problems.status_of(InvalidRequest("x")) == 400
    assert problems.from_error(Unavailable("x", retry_after=7)).headers["Retry-After"] == "7"


def test_openapi_describes_every_route() -> None:
    described = document(ROUTES)
    text = json.dumps(described)
    names = set(described["components"]["schemas"])
    assert set(re.findall(r"#/components/schemas/(\w+)", text)) <= names
    operations = [operation for path in described["paths"].values() for operation in path.values()]
    assert len(operations) == len([route for route in ROUTES if route.documented])
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for path, methods in described["paths"].items():
        for operation in methods.values():
            declared = {item["name"] for item in operation.get("parameters", []) if item["in"] == "path"}
            assert declared == set(re.findall(r"\{(\w+)\}", path))
            assert operation["x-action"]


async def test_openapi_is_served(http: aiohttp.ClientSession) -> None:
    async with http.get("/api/v1/openapi.json") as response:
        assert (await response.json())["openapi"] == "3.1.0"


def test_the_written_api_is_up_to_date() -> None:
    written = Path(__file__).parents[2] / "docs" / "api.md"
    assert written.read_text() == docs.markdown(ROUTES), "run `python -m server.web.docs > docs/api.md`"


async def test_titles_of_ten_kilobytes_are_refused(start: Callable[..., Any]) -> None:
    server = await start()
    title = "語" * 3_400
    async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as http:
        async with http.post("/api/v1/channels", json={"name": title}) as response:
            assert "200" in (await problem(response, 400))["detail"]
        headers = {"Content-Type": "application/sdp"}
        async with http.post("/whip/studio", params={"title": title}, headers=headers, data="v=0") as response:
            assert "title" in (await problem(response, 400))["detail"]


async def test_the_api_is_shown_by_swagger_ui_from_this_server_alone(http: aiohttp.ClientSession) -> None:
    async with http.get("/api/docs") as response:
        text = await response.text()
    addresses = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert len(addresses) >= 5
    for address in addresses:
        async with http.get(address) as response:  # another server would not be reached
            assert response.status == 200, address
            assert not address.endswith(".js") or response.content_type.endswith("/javascript")
    async with http.get("/api/docs/swagger-editor-bundle.js") as response:
        assert response.status == 404
