"""Links that a browser has opened: they go along with each of its requests."""

from __future__ import annotations

from aiohttp import web

from server.accounts import links
from server.web.address import is_secure

COOKIE = "clearcast_links"
HEADER = "Clearcast-Link"
KEPT_S = 30 * 24 * 3600
"""How long a browser keeps links, seconds."""


def links_of(request: web.Request) -> frozenset[str]:
    """What a request shows: the header's, where there is one, else the cookie's."""
    return frozenset(links.in_order(request.headers.get(HEADER) or request.cookies.get(COOKIE, "")))


def keep(request: web.Request, response: web.StreamResponse, key: str) -> None:
    """Have the browser keep one more."""
    secure = is_secure(request)
    known = links.in_order(request.cookies.get(COOKIE, ""))
    value = links.BETWEEN.join(links.add(known, key))
    response.set_cookie(COOKIE, value, max_age=KEPT_S, path="/", httponly=True, secure=secure, samesite="Lax")
