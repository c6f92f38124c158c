"""The page and its files."""

from __future__ import annotations

import asyncio
import functools
from pathlib import Path

from aiohttp import hdrs, web

import server
from server.accounts import Action
from server.errors import NotFound
from server.web import preload
from server.web.assets import Asset, Assets
from server.web.early import early
from server.web.routing import Call, RouteTable

FOR_GOOD = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"

table = RouteTable("pages")


@functools.cache
def static_dir() -> Path:
    """The folder of the page: inside the package once installed, beside it in the repository."""
    package = Path(server.__file__).parent
    installed = package / "static"
    return installed if installed.is_dir() else package.parent / "static"


@functools.cache
def assets() -> Assets:
    """What there is of the page."""
    return Assets(static_dir())


async def prepare(_: web.Application) -> None:
    """Nobody waits for the files to be read."""
    await asyncio.to_thread(assets().look)


async def page(call: Call) -> web.StreamResponse:
    """Every address of the page is the same document; the page reads the address."""
    return await _document(call.request.path, data=await early(call))


PAGES = (
    *("/", "/live", "/listen/{slug}", "/listen/{slug}/overlay", "/recordings", "/recordings/{id}", "/voices"),
    *("/sign-in", "/register", "/first", "/friends", "/people/{id}", "/notices", "/settings", "/settings/{section}"),
    *("/uploads", "/collections", "/collections/{id}", "/bin", "/admin", "/admin/{section}"),
)
for _path in PAGES:
    table.route("GET", _path, Action.VIEW_PAGE, "The page", produces="text/html", documented=False)(page)


@table.route(
    "GET", "/static/{path:.+}", Action.VIEW_PAGE, "A file of the page", produces="*/*", errors=(404,), documented=False
)
async def asset(call: Call) -> web.StreamResponse:
    found = assets().find(call.path("path"))
    if found is None:
        raise NotFound("There is no such file.")
    return _send(call.request, *found)


@table.route("GET", "/favicon.ico", Action.VIEW_PAGE, "The icon", produces="image/svg+xml", documented=False)
async def icon(call: Call) -> web.StreamResponse:
    return _named(call, "favicon.svg")


@table.route("GET", "/sw.js", Action.VIEW_PAGE, "Its service worker", produces="text/javascript", documented=False)
async def service_worker(call: Call) -> web.StreamResponse:
    # Its own address is the part of the site that a service worker may look after.
    return _named(call, "sw.js")


async def static_document(name: str, begin: str) -> web.Response:
    """A document of its own in the page's folder, and all modules that `begin` needs."""
    await asyncio.to_thread(assets().look)
    return _html(name, (begin,), ())


async def not_found(path: str) -> web.Response:
    """The page too, with the status of what is not there; the page says so in words."""
    return await _document(path, status=404)


async def _document(path: str, status: int = 200, data: tuple[str, ...] = ()) -> web.Response:
    await asyncio.to_thread(assets().look)
    app = assets().files[preload.APP].plain.decode()
    return _html("index.html", preload.beginning(app, path), data, status)


def _html(name: str, begin: tuple[str, ...], data: tuple[str, ...], status: int = 200) -> web.Response:
    there = assets()
    text = preload.document(there.files[name].plain.decode(), there.base, _needed(there.version, begin), data)
    return web.Response(text=text, status=status, content_type="text/html", headers={"Cache-Control": ASK_AGAIN})


@functools.lru_cache(maxsize=32)
def _needed(version: str, begin: tuple[str, ...]) -> list[str]:
    texts = {name: one.plain.decode() for name, one in assets().files.items() if name.endswith(".js")}
    return preload.needed(texts, begin)


def _named(call: Call, name: str) -> web.StreamResponse:
    return _send(call.request, assets().files[name], for_good=False)


def _send(request: web.Request, one: Asset, for_good: bool) -> web.Response:
    """A file, or that it has not changed. Addresses without a version are asked for again each time (RFC 9111)."""
    packed = one.packed is not None and "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, "")
    etag = f'"{one.digest}{"-gzip" if packed else ""}"'
    headers = {"ETag": etag, "Cache-Control": FOR_GOOD if for_good else ASK_AGAIN}
    if one.packed is not None:
        headers["Vary"] = "Accept-Encoding"
    if etag in request.headers.get(hdrs.IF_NONE_MATCH, ""):
        return web.Response(status=304, headers=headers)
    headers["Content-Type"] = one.kind
    if packed:
        headers["Content-Encoding"] = "gzip"
    return web.Response(body=one.packed if packed else one.plain, headers=headers)
