"""The page, and what keeps other sites out."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from server.app import Server
from server.config import load_settings
from server.web.middleware import host_known
from server.web.pages import static_dir
from tests.web.test_routes import problem


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/live", "/listen/studio", "/listen/studio/overlay", "/recordings", "/recordings/abc", "/voices"),
        *("/sign-in", "/register", "/first", "/friends", "/people/abc", "/notices", "/settings", "/settings/keys"),
        *("/uploads", "/collections", "/collections/abc", "/bin"),
    ],
)
async def test_every_address_of_the_page_is_the_page(http: aiohttp.ClientSession, path: str) -> None:
    async with http.get(path) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/html; charset=utf-8"
        text = await response.text()
    assert "<title>Clearcast</title>" in text
    assert " style=" not in text  # the policy forbids it
    assert "<script>" not in text


async def test_the_document_names_every_module_that_its_address_needs(http: aiohttp.ClientSession) -> None:
    named = {}
    for path in ("/recordings/abc", "/listen/abc", "/nothing-of-ours"):
        async with http.get(path) as response:
            named[path] = set(re.findall(r'modulepreload" href="/static/(js/[\w/]+\.js)"', await response.text()))
    assert {"js/app.js", "js/dom.js", "js/views/recording.js", "js/recording/waveform.js"} <= named["/recordings/abc"]
    assert "js/views/listen.js" not in named["/recordings/abc"]
    assert "js/views/listen.js" in named["/listen/abc"]
    for name in named["/recordings/abc"]:
        async with http.get(f"/static/{name}") as response:
            assert response.status == 200


async def test_the_service_worker_may_look_after_the_whole_site(http: aiohttp.ClientSession) -> None:
    async with http.get("/sw.js") as response:
        assert response.headers["Content-Type"] == "text/javascript; charset=utf-8"
        assert response.headers["Cache-Control"] == "no-cache"  # a new one is found on the next visit
        assert "notificationclick" in await response.text()
    async with http.get("/static/manifest.webmanifest") as response:
        manifest = await response.json(content_type=None)
    sizes = {icon["sizes"] for icon in manifest["icons"]}
    assert {"192x192", "512x512"} <= sizes  # what browsers want of a page that can be installed
    for one in manifest["icons"]:
        async with http.get(one["src"]) as response:
            assert response.status == 200


async def test_an_address_that_a_person_mistyped_gets_the_page(http: aiohttp.ClientSession) -> None:
    async with http.get("/recordigns", headers={"Accept": "text/html,*/*"}) as response:
        assert (response.status, response.content_type) == (404, "text/html")
    for path in ("/api/v1/nothing", "/static/nothing.css"):
        async with http.get(path, headers={"Accept": "text/html,*/*"}) as response:
            await problem(response, 404)


async def test_everything_carries_the_policy(http: aiohttp.ClientSession) -> None:
    for path in ("/", "/static/favicon.svg", "/api/v1/me", "/nothing", "/health/live"):
        async with http.get(path) as response:
            policy = response.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert "aiohttp" not in response.headers["Server"]


async def test_files_are_asked_for_again_and_mostly_not_sent(http: aiohttp.ClientSession) -> None:
    async with http.get("/static/js/app.js") as response:
        assert response.headers["Content-Type"] == "text/javascript; charset=utf-8"
        assert response.headers["Cache-Control"] == "no-cache"
        etag = response.headers["ETag"]
    async with http.get("/static/js/app.js", headers={"If-None-Match": etag}) as response:
        assert response.status == 304
        assert await response.read() == b""
    async with http.head("/static/js/app.js") as response:
        assert response.status == 200


async def test_every_file_of_the_page_has_a_type_that_browsers_run(http: aiohttp.ClientSession) -> None:
    for path in static_dir().rglob("*"):
        if path.is_file() and path.suffix in (".js", ".css", ".svg", ".webmanifest", ".html"):
            async with http.get(f"/static/{path.relative_to(static_dir())}") as response:
                assert response.status == 200, path
                assert response.content_type != "application/octet-stream"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_pages_of_other_sites_change_nothing(http: aiohttp.ClientSession, headers: dict[str, str]) -> None:
    async with http.post("/api/v1/channels", json={"name": "Evil"}, headers=headers) as response:
        assert (await problem(response, 403))["code"] == "cross-origin"
    async with http.get("/api/v1/channels") as response:
        assert (await response.json())["total"] == 1


async def test_our_own_page_and_programs_do(server: Server, http: aiohttp.ClientSession) -> None:
    own = {"Origin": f"http://127.0.0.1:{server.port}", "Sec-Fetch-Site": "same-origin"}
    for number, headers in enumerate((own, {}, {"Sec-Fetch-Site": "none"})):
        async with http.post("/api/v1/channels", json={"name": f"Show {number}"}, headers=headers) as response:
            assert response.status == 201


async def test_names_that_were_made_to_mean_this_machine_are_refused(
    http: aiohttp.ClientSession, server: Server
) -> None:
    for host in ("evil.example", f"evil.example:{server.port}", "127.0.0.1.evil.example", ""):
        async with http.get("/api/v1/me", headers={"Host": host}) as response:
            assert (await problem(response, 421))["code"] == "misdirected"
    for host in ("localhost", f"localhost:{server.port}", "127.0.0.1", f"[::1]:{server.port}"):
        async with http.get("/api/v1/me", headers={"Host": host}) as response:
            assert response.status == 200


async def test_a_proxy_may_pass_its_own_name(start: Callable[..., Any]) -> None:
    server = await start(allowed_hosts=["radio.example"])
    url = f"http://127.0.0.1:{server.port}/api/v1/me"
    async with aiohttp.ClientSession() as http, http.get(url, headers={"Host": "Radio.example"}) as response:
        assert response.status == 200
    assert host_known("anything.example", load_settings(host="0.0.0.0"))
    listed = load_settings(host="0.0.0.0", allowed_hosts=["radio.example"])
    for host in ("radio.example:8080", "Radio.Example", "192.0.2.7:8080", "[2001:db8::7]", "localhost:8080"):
        assert host_known(host, listed)
    assert not host_known("attacker.example", listed)
