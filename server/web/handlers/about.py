"""Who one is, and what the server can do."""

from __future__ import annotations

import asyncio

from aiohttp import web

from server import __version__
from server.accounts import Action
from server.rooms.messages import MAX_TITLE
from server.web import account_schemas, account_views, schemas, views
from server.web.routing import DESCRIBE, Call, RouteTable

table = RouteTable("about")


@table.route("GET", "/api/v1/me", Action.READ_SELF, "Who one is", answer=account_schemas.Me)
async def me(call: Call) -> account_schemas.Me:
    return await account_views.me(call.services, call.actor)


@table.route(
    "GET", "/api/v1/config", Action.READ_CONFIG, "What a page must know before it goes live", answer=schemas.Config
)
async def config(call: Call) -> schemas.Config:
    settings = call.services.settings
    return schemas.Config(
        version=__version__,
        ice_servers=[schemas.IceServerOut(**server.model_dump()) for server in settings.ice_servers],
        denoise=views.denoise(call.services.denoise.status),
        captions=views.captions(call.services.captions.status),
        record_default=settings.record,
        denoise_strength_default=settings.denoise_strength,
        post_filter_default=settings.denoise_post_filter,
        max_title=MAX_TITLE,
        secure=call.services.secure,
        reconnect_s=settings.reconnect_s,
        chat=settings.chat and settings.accounts,
    )


@table.route("GET", "/api/v1/openapi.json", Action.VIEW_PAGE, "This API as OpenAPI 3.1", produces="application/json")
async def describe(call: Call) -> web.Response:
    # Hundreds of models: not on the event loop.
    body = await asyncio.to_thread(call.request.app[DESCRIBE])
    return web.Response(body=body, content_type="application/json")
