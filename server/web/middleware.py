"""What every request passes: its id, the checks against other sites, errors as problems, security headers."""

from __future__ import annotations

import ipaddress
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import structlog
from aiohttp import HttpVersion11, web

from server.config import Settings
from server.errors import ClearcastError, InvalidRequest, NotAllowed, NotFound
from server.log import get_logger
from server.metrics import REQUESTS
from server.rates import Rate
from server.web import pages, problems
from server.web.address import is_secure
from server.web.counting import LEFT, enter
from server.web.identity import is_loopback
from server.web.services import SERVICES

log = get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

REQUEST_ID = web.RequestKey("id", str)
REQUEST_ID_HEADER = "X-Request-Id"
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
CROSS_ORIGIN_PATHS = ("/whip/", "/whep/", "/api/")
PROGRAM_PATHS = (*CROSS_ORIGIN_PATHS, "/static/", "/health/", "/metrics")
ALLOW_HEADERS = (
    "Authorization, Clearcast-Link, Clearcast-Resume-Token, Content-Type, If-Match, Last-Event-ID, Tus-Resumable, "
    "Upload-Checksum, Upload-Length, Upload-Metadata, Upload-Offset"
)
ALLOW_METHODS = "GET, POST, PUT, PATCH, DELETE, OPTIONS"
EXPOSE_HEADERS = ", ".join(
    (
        *("Location", "ETag", "Link", "Accept-Patch", "Retry-After", "Content-Disposition", "X-Request-Id"),
        *("Clearcast-Stream", "Clearcast-Resume-Token", "WWW-Authenticate"),
        *("Tus-Resumable", "Tus-Version", "Tus-Extension", "Tus-Max-Size", "Tus-Checksum-Algorithm"),
        *("Upload-Offset", "Upload-Length", "Upload-Metadata", "Upload-Expires"),
        *("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"),
    )
)

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "media-src 'self' blob:",
        "font-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
STRICT_TRANSPORT_SECURITY = "max-age=31536000"
"""A year of TLS only, for this name alone (RFC 6797). Browsers ignore it over certificates that nobody vouches for."""
SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=(), display-capture=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Signal handler: what every answer carries, sockets and files too."""
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["Server"] = "Clearcast"
    if is_secure(request) and not is_loopback(_name_of(_host_header(request) or "")):
        response.headers["Strict-Transport-Security"] = STRICT_TRANSPORT_SECURITY
    if LEFT in request:
        response.headers.update(request[LEFT].headers)
    if REQUEST_ID in request:
        response.headers[REQUEST_ID_HEADER] = request[REQUEST_ID]
    if request.path.startswith(CROSS_ORIGIN_PATHS):
        _cors_headers(request, response)


def _cors_headers(request: web.Request, response: web.StreamResponse) -> None:
    settings = request.app[SERVICES].settings
    if not settings.cors_origins:
        return
    response.headers["Vary"] = "Origin"
    origin = request.headers.get("Origin")
    if origin is None or not origin_listed(origin, settings):
        return
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Expose-Headers"] = EXPOSE_HEADERS
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    if request.method == "OPTIONS":
        response.headers["Access-Control-Allow-Methods"] = ALLOW_METHODS
        response.headers["Access-Control-Allow-Headers"] = ALLOW_HEADERS
        response.headers["Access-Control-Max-Age"] = "600"


@web.middleware
async def identify(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request its id, bind it to every log line, and count the answer."""
    request[REQUEST_ID] = secrets.token_hex(6)
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request=request[REQUEST_ID])
    began = time.monotonic()
    response = await handler(request)
    took = round(1000 * (time.monotonic() - began))
    log.debug("request", method=request.method, path=request.path, status=response.status, ms=took)
    resource = request.match_info.route.resource
    REQUESTS.labels(resource.canonical if resource is not None else "unknown", str(response.status)).inc()
    return response


@web.middleware
async def explain(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every error into a problem document; whatever nobody expected is logged here, once."""
    try:
        return await handler(request)
    except ClearcastError as error:
        if isinstance(error, NotFound) and _wants_page(request):
            return await pages.not_found(request.path)
        response = problems.from_error(error)
        if response.status >= 500:
            log.warning("request failed", path=request.path, code=error.code, detail=error.message)
        return response
    except web.HTTPException as error:
        if error.status == 404 and _wants_page(request):
            return await pages.not_found(request.path)
        return _from_http(error)
    except ConnectionError:
        raise
    except Exception:  # the boundary of one request: it fails, the server goes on
        log.exception("request failed", method=request.method, path=request.path)
        return problems.problem(500, problems.INTERNAL, "internal", request_id=request[REQUEST_ID])


def _wants_page(request: web.Request) -> bool:
    """Whether a person typed the address, so that the page should say that there is nothing here."""
    return "text/html" in request.headers.get("Accept", "") and not request.path.startswith(PROGRAM_PATHS)


def _from_http(error: web.HTTPException) -> web.StreamResponse:
    if error.status < 400:
        raise error
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        detail = f"{error.method} is not possible here; {allowed} are."
        response = problems.problem(405, detail, "method-not-allowed")
        response.headers["Allow"] = allowed
        return response
    if error.status == 404:
        return problems.problem(404, "There is nothing at this address.", "not-found")
    if error.status == 413:
        return problems.problem(413, "The body is too large.", "too-large")
    code = re.sub(r"[^a-z]+", "-", error.reason.lower())
    response = problems.problem(error.status, error.reason, code)
    if "Content-Range" in error.headers:
        response.headers["Content-Range"] = error.headers["Content-Range"]
    return response


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Keep other sites from using a visitor's browser against this server.

    A page that makes its own name resolve to this machine ("DNS rebinding") is told apart by the Host header; a
    page that merely sends requests, by Origin and Sec-Fetch-Site.
    """
    settings = request.app[SERVICES].settings
    host = _host_header(request)
    if host is None and request.version >= HttpVersion11:
        raise InvalidRequest("The request has no Host header (RFC 9112, section 3.2).")
    if host is not None and not host_known(host, settings):
        raise InvalidRequest(
            "This server does not answer to that name. CLEARCAST_ALLOWED_HOSTS can add it.", code="misdirected"
        )
    upgrade = request.headers.get("Upgrade", "").lower() == "websocket"
    if request.method not in SAFE_METHODS or upgrade:
        check_origin(request, settings)
    if request.match_info.http_exception is not None:  # no route will count it
        enter(Rate.PAGE, request)
        if _is_preflight(request, settings):
            return web.Response(status=204)
    return await handler(request)


def _is_preflight(request: web.Request, settings: Settings) -> bool:
    """Whether a browser asks on behalf of another site's page that may call this server (Fetch, section 4.8)."""
    origin = request.headers.get("Origin", "")
    asks = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
    return asks and request.path.startswith(CROSS_ORIGIN_PATHS) and origin_listed(origin, settings)


def check_origin(request: web.Request, settings: Settings) -> None:
    """Raises NotAllowed where a page of another site sent the request."""
    origin = request.headers.get("Origin")
    if origin is not None:
        same = _host_of(origin) == _host_header(request) is not None
        if not same and not origin_listed(origin, settings):
            raise NotAllowed("Other sites may not do this. CLEARCAST_CORS_ORIGINS can allow it.", code="cross-origin")
    elif request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        raise NotAllowed("Pages of other sites may not do this.", code="cross-origin")


def _host_header(request: web.Request) -> str | None:
    """The Host header in small letters. `request.host` would ask the name service where there is none, and wait."""
    host = request.headers.get("Host")
    return host.lower() if host is not None else None


def _host_of(origin: str) -> str | None:
    """Host and port of an Origin header; None for one that names none."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def origin_listed(origin: str, settings: Settings) -> bool:
    """Whether the settings let pages of `origin` call this server."""
    return "*" in settings.cors_origins or origin.rstrip("/") in [item.rstrip("/") for item in settings.cors_origins]


def host_known(host: str, settings: Settings) -> bool:
    """Whether a Host header names this server.

    Asked where it listens on loopback alone, and wherever the settings list names. An address is no name that
    another site could let point to this machine.
    """
    local = is_loopback(settings.host)
    if not local and not settings.allowed_hosts:
        return True
    name = _name_of(host)
    if is_loopback(name) or name.lower() in {allowed.lower() for allowed in settings.allowed_hosts}:
        return True
    return not local and _is_address(name)


def _name_of(host: str) -> str:
    """A Host header without its port and brackets."""
    return host.rsplit("]", 1)[0].lstrip("[") if host.startswith("[") else host.rsplit(":", 1)[0]


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
