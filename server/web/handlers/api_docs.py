"""The description of this API for people: Swagger UI, from its Python package, on our own OpenAPI document."""

from __future__ import annotations

import asyncio
import functools
from importlib.util import find_spec
from pathlib import Path

from aiohttp import web

from server.accounts import Action
from server.web.pages import static_document
from server.web.routing import Call, RouteTable

FILES = ("swagger-ui-bundle.js", "swagger-ui.css")
"""All that is needed of the package."""

table = RouteTable("pages")


@table.route("GET", "/api/docs", Action.VIEW_PAGE, "This API, to read and try", produces="text/html", documented=False)
async def page(call: Call) -> web.StreamResponse:
    return await static_document("api.html", "js/apidocs.js")


async def asset(call: Call) -> web.StreamResponse:
    name = call.request.path.rpartition("/")[2]
    return web.FileResponse(await asyncio.to_thread(_folder) / name, headers={"Cache-Control": "no-cache"})


for _file in FILES:
    table.route(
        "GET", f"/api/docs/{_file}", Action.VIEW_PAGE, "A file of Swagger UI", produces="*/*", documented=False
    )(asset)


@functools.cache
def _folder() -> Path:
    # Found, not imported: none of its code is to run.
    spec = find_spec("swagger_ui")
    assert spec is not None and spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0]) / "static"
