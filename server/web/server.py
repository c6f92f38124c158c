"""All routes, and the aiohttp application that carries them."""

from __future__ import annotations

import asyncio
import functools
import json
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from server.web import embed, middleware, pages
from server.web.handlers import (
    about,
    access,
    account,
    administration,
    api_docs,
    audience,
    auth,
    caption_events,
    captions,
    channels,
    chat,
    collections,
    events,
    exports,
    friends,
    groups,
    health,
    jobs,
    leaving,
    notifications,
    recordings,
    signalling,
    sound_check,
    streams,
    summary,
    tokens,
    transcripts,
    tus,
    uploads,
    voices,
)
from server.web.openapi import document
from server.web.routing import DESCRIBE, Route, dispatch
from server.web.services import SERVICES, Services

TABLES = (
    about.table,
    administration.table,
    auth.table,
    account.table,
    leaving.table,
    tokens.table,
    channels.table,
    streams.table,
    captions.table,
    caption_events.table,
    chat.table,
    voices.table,
    recordings.table,
    summary.table,
    collections.table,
    exports.table,
    transcripts.table,
    access.table,
    audience.table,
    jobs.table,
    uploads.table,
    tus.table,
    sound_check.table,
    signalling.table,
    friends.table,
    groups.table,
    notifications.table,
    events.table,
    health.table,
    api_docs.table,
    embed.table,
    pages.table,
)
ROUTES: list[Route] = [route for part in TABLES for route in part.routes]


class _NotOurFault(logging.Filter):
    """Requests that are no HTTP are answered with 400; a traceback for each would bury the log."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


logging.getLogger("aiohttp.server").addFilter(_NotOurFault())


def make_app(services: Services) -> web.Application:
    """The application; `services` are closed by whoever made them."""
    app = web.Application(
        middlewares=[middleware.identify, middleware.explain, middleware.guard],
        client_max_size=services.settings.max_body_kb * 1024,
    )
    app[SERVICES] = services
    describe: Callable[[], bytes] = functools.cache(lambda: json.dumps(document(ROUTES)).encode())
    app[DESCRIBE] = describe
    app.on_response_prepare.append(middleware.add_headers)
    app.on_startup.append(pages.prepare)
    app.on_shutdown.append(_say_goodbye)
    for route in ROUTES:
        app.router.add_route(route.method, route.path, _handler(route))
        if route.method == "GET" and not route.path.endswith("/events") and not route.path.startswith("/whip"):
            app.router.add_route("HEAD", route.path, _handler(route))
    return app


async def announce_closing(services: Services) -> None:
    """Tell everybody who follows events that the server goes down; what happens until it does is told as well."""
    await asyncio.gather(events.announce_closing(services), caption_events.announce_closing(services))


async def _say_goodbye(app: web.Application) -> None:
    caption_events.say_goodbye(app[SERVICES])
    await events.say_goodbye(app[SERVICES])


def _handler(route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        return await dispatch(route, request)

    return handle
