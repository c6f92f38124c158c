"""The page and its files."""

from __future__ import annotations

import asyncio
import functools
import mimetypes
from pathlib import Path

from aiohttp import web

import server
from server.accounts import Action
from server.errors import NotFound
from server.web.preload import document
from server.web.routing import Call, RouteTable

TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
}

table = RouteTable("pages")


@functools.cache
def static_dir() -> Path:
    """The folder of the page: inside the package once installed, beside it in the repository."""
    package = Path(server.__file__).parent
    installed = package / "static"
    return installed if installed.is_dir() else package.parent / "static"


async def page(call: Call) -> web.StreamResponse:
    """Every address of the page is the same document; the page reads the address."""
    return await _document(call.request.path)


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
    return _file(await asyncio.to_thread(_find, static_dir(), call.path("path")))


@table.route("GET", "/favicon.ico", Action.VIEW_PAGE, "The icon", produces="image/svg+xml", documented=False)
async def icon(call: Call) -> web.StreamResponse:
    return _file(static_dir() / "favicon.svg")


@table.route("GET", "/sw.js", Action.VIEW_PAGE, "Its service worker", produces="text/javascript", documented=False)
async def service_worker(call: Call) -> web.StreamResponse:
    # Its own address is the part of the site that a service worker may look after.
    return _file(static_dir() / "sw.js")


def static_file(name: str) -> web.FileResponse:
    """A document of the page's folder, by a name of our own."""
    return _file(static_dir() / name)


async def not_found(path: str) -> web.Response:
    """The page too, with the status of what is not there; the page says so in words."""
    return await _document(path, status=404)


async def _document(path: str, status: int = 200) -> web.Response:
    text = await asyncio.to_thread(document, static_dir(), path)
    return web.Response(text=text, status=status, content_type="text/html", headers={"Cache-Control": "no-cache"})


def _find(root: Path, name: str) -> Path:
    missing = NotFound("There is no such file.")
    if "\0" in name:
        raise missing
    root = root.resolve()
    try:
        path = (root / name).resolve()
        if path.is_relative_to(root) and path.is_file():
            return path
    except OSError:  # longer than a name can be
        raise missing from None
    raise missing


def _file(path: Path, status: int = 200) -> web.FileResponse:
    # Nothing is built, so names carry no version: browsers ask again, and mostly hear "not modified".
    kind = TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    if kind.startswith("text/") or kind.endswith("json"):
        kind += "; charset=utf-8"
    return web.FileResponse(path, status=status, headers={"Content-Type": kind, "Cache-Control": "no-cache"})
