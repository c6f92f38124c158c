"""The page, and what keeps other sites out."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from server.app import Server
from server.config import load_settings
from server.web import preload
from server.web.assets import LARGEST, Assets
from server.web.middleware import host_known
from server.web.pages import PAGES, assets, static_dir
from tests.web.test_recordings import keep
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


NAMED = re.compile(r'<link rel="(modulepreload|preload)"[^>]* href="([^"]+)"')


async def named_by(http: aiohttp.ClientSession, path: str) -> dict[str, list[str]]:
    """What a document names, by how: modules, and data."""
    async with http.get(path, headers={"Accept": "text/html"}) as response:
        found = NAMED.findall(await response.text())
    return {kind: [address.replace("&amp;", "&") for way, address in found if way == kind] for kind, _ in found}


async def test_the_document_names_every_module_that_its_address_needs(http: aiohttp.ClientSession) -> None:
    """Of every address that the page knows: what it begins with, what it shows, and all that they import."""
    routes = preload.views((static_dir() / preload.APP).read_text("utf-8"))
    assert len(routes) >= 15
    for declared in PAGES:
        path = re.sub(r"\{\w+\}", "abc", declared)
        modules = (await named_by(http, path))["modulepreload"]
        names = {re.fullmatch(r"/static/~\w+/(js/[\w/]+\.js)", address)[1] for address in modules}  # type: ignore[index]
        shown = next(view for pattern, view in routes if pattern.search(path))
        assert {preload.APP, shown} <= names, path
        for name in names:
            text = (static_dir() / name).read_text("utf-8")
            imported = re.findall(r'^(?:import|export) (?:[^"]*? from )?"(\.[^"]+)";$', text, re.MULTILINE)
            beside = {os.path.normpath(Path(name).parent / other) for other in imported}
            assert beside <= names, (path, name)
        assert len(names) == len(modules)
        if path == "/recordings/abc":
            assert "js/views/studio.js" not in names  # what is not shown comes afterwards


async def test_modules_and_sheets_have_addresses_that_browsers_may_keep(http: aiohttp.ClientSession) -> None:
    async with http.get("/recordings") as response:
        text = await response.text()
    files = re.findall(r'(?:src|href)="(/static/[^"]+)"', text)
    assert len(files) > 60
    for address in files:
        assert address.startswith(f"/static/~{assets().version}/")
        async with http.get(address) as response:
            assert response.status == 200, address
            assert "immutable" in response.headers["Cache-Control"]
    # A page that was loaded before the server changed gets what there is, and does not keep it.
    async with http.get("/static/~0123456789abcdef/js/app.js") as response:
        assert response.status == 200
        assert response.headers["Cache-Control"] == "no-cache"


async def test_texts_are_sent_packed_to_whoever_can_unpack_them(http: aiohttp.ClientSession) -> None:
    sent = {}
    for way in ("gzip", "identity"):
        async with http.get("/static/css/base.css", headers={"Accept-Encoding": way}) as response:
            assert response.headers["Vary"] == "Accept-Encoding"
            sent[way] = (response.headers["ETag"], int(response.headers["Content-Length"]), await response.text())
    assert sent["gzip"][0] != sent["identity"][0]
    assert sent["gzip"][1] < 0.5 * sent["identity"][1]
    assert sent["gzip"][2] == sent["identity"][2]
    async with http.get("/static/icons/192.png") as response:
        assert "Content-Encoding" not in response.headers


def test_a_page_that_is_worked_on_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "js").mkdir()
    (tmp_path / "js/app.js").write_text("one")
    found = Assets(tmp_path)
    found.look()
    before = found.version
    assert found.find(f"~{before}/js/app.js") == (found.files["js/app.js"], True)
    (tmp_path / "js/app.js").write_text("another")
    (tmp_path / "large.bin").write_bytes(bytes(LARGEST + 1))
    found.look()
    assert found.version != before
    later, for_good = found.find(f"~{before}/js/app.js") or (None, None)
    assert later is not None
    assert (later.plain, for_good) == (b"another", False)
    assert found.find("large.bin") is None  # what waits in memory is bounded
    assert found.find("../js/app.js") is None


async def test_a_recording_s_page_has_its_data_named_for_those_who_may_have_it(
    server: Server, http: aiohttp.ClientSession
) -> None:
    """What the page asks for first is asked for while its modules come; what would be refused is not named."""
    assert (await named_by(http, "/recordings/abc"))["preload"] == ["/api/v1/auth", "/api/v1/me", "/api/v1/config"]
    kept = await keep(server)
    data = (await named_by(http, f"/recordings/{kept.name}"))["preload"]
    assert data[3:] == [
        f"/api/v1/recordings/{kept.name}?speakers=false",
        f"/api/v1/recordings/{kept.name}/peaks",
        f"/api/v1/streams/{kept.name}/captions?limit=60",
    ]
    for address in data:
        async with http.get(address) as response:
            assert response.status == 200, address


async def test_nothing_is_named_for_those_who_may_not_have_it(start: Callable[..., Any]) -> None:
    closed = await start(accounts=True)
    await keep(closed)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{closed.port}") as nobody:
        assert (await named_by(nobody, "/recordings/abc"))["preload"] == ["/api/v1/auth", "/api/v1/config"]


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
