"""Who sends a request: the one place where credentials become an actor."""

from __future__ import annotations

from aiohttp import web

from server.accounts import Actor
from server.web.services import SERVICES


async def actor_of(request: web.Request) -> Actor:
    """Who sends `request`; nobody, where it carries no credentials that hold."""
    return request.app[SERVICES].actor
