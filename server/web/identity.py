"""Who sends a request: the one place where credentials become an actor."""

from __future__ import annotations

import ipaddress
from dataclasses import replace

from aiohttp import web

from server.accounts import NOBODY, Actor
from server.accounts.sessions import Caller
from server.web.address import client_address, is_secure
from server.web.bearer import bearer_actor
from server.web.links import links_of
from server.web.services import SERVICES

COOKIE = "clearcast_session"
PROXY_HEADERS = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Via")


async def actor_of(request: web.Request) -> Actor:
    """Who sends `request`; nobody, where it carries no cookie that holds.

    What a program proves itself with goes before a cookie. Raises NotAuthenticated where it does not hold.
    """
    services = request.app[SERVICES]
    if not services.settings.accounts:
        return services.actor
    token = session_token(request)
    found = await bearer_actor(request) or (await services.sessions.actor(token) if token else None) or NOBODY
    opened = links_of(request)
    return replace(found, links=opened) if opened else found


def caller_of(request: web.Request) -> Caller:
    """Where `request` comes from, for sessions, the throttle and the audit log."""
    return Caller(
        address=client_address(request),
        agent=request.headers.get("User-Agent", ""),
        token=session_token(request),
        direct=_direct(request),
    )


def session_token(request: web.Request) -> str:
    """The session's token that the browser sent; empty where none."""
    return request.cookies.get(cookie_name(request), "")


def cookie_name(request: web.Request) -> str:
    """Behind TLS the prefix keeps other hosts and plain connections from setting it (RFC 6265bis, 4.1.3.2)."""
    return f"__Host-{COOKIE}" if is_secure(request) else COOKIE


def keep_session(response: web.Response, request: web.Request, token: str) -> None:
    """Let the browser keep a session's token, out of reach of scripts and of other sites' requests."""
    response.set_cookie(
        cookie_name(request),
        token,
        path="/",
        max_age=int(request.app[SERVICES].sessions.longest.total_seconds()),
        httponly=True,
        secure=is_secure(request),
        samesite="Lax",
    )


def drop_session(response: web.Response, request: web.Request) -> None:
    response.del_cookie(cookie_name(request), path="/", httponly=True, secure=is_secure(request), samesite="Lax")


def _direct(request: web.Request) -> bool:
    """Whether a browser on this machine asks by this machine's own name, with no proxy in between.

    A name that somebody else's page made point here ("DNS rebinding") is not one of them.
    """
    if any(name in request.headers for name in PROXY_HEADERS):
        return False
    host = request.headers.get("Host", "").rsplit(":", 1)[0].strip("[]")
    return is_loopback(request.remote or "") and is_loopback(host)


def is_loopback(name: str) -> bool:
    """Whether a name or address can only mean this machine."""
    if name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
