"""Errors as RFC 9457 problem details: which error has which status, and what leaves the server."""

from __future__ import annotations

import json
from http import HTTPStatus

from aiohttp import web

from server.errors import (
    ClearcastError,
    Conflict,
    DiskFull,
    InvalidRequest,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    QuotaReached,
    SpeakerNameTaken,
    TooLarge,
    TooManyRequests,
    Unavailable,
    UnsupportedType,
)

MEDIA_TYPE = "application/problem+json"

STATUSES: dict[type[ClearcastError], int] = {
    InvalidRequest: 400,
    NotAuthenticated: 401,
    NotAllowed: 403,
    NotFound: 404,
    Conflict: 409,
    TooLarge: 413,
    UnsupportedType: 415,
    DiskFull: 507,
    QuotaReached: 507,
    TooManyRequests: 429,
    Unavailable: 503,
}
CODES = {
    "not-acceptable": 406,
    "too-slow": 408,
    "precondition-failed": 412,
    "tus-version": 412,
    "upload-locked": 423,
    "checksum-mismatch": 460,
    "misdirected": 421,
    "restart-unsupported": 422,
    "no-audio-offered": 400,
}
"""Codes whose status is finer than that of their class."""

TUS_VERSION = "1.0.0"

INTERNAL = "Something went wrong in the server. The operator finds it in the log by the request id."


def status_of(error: ClearcastError) -> int:
    """The HTTP status of an error; 500 for one that nobody thought of."""
    if error.code in CODES:
        return CODES[error.code]
    for kind in type(error).__mro__:
        if kind in STATUSES:
            return STATUSES[kind]
    return 500


def problem(status: int, detail: str, code: str, *, retry_after: int | None = None, **members: str) -> web.Response:
    """One problem document; `members` are extensions of it (RFC 9457, section 3.2)."""
    title = HTTPStatus(status).phrase if status in set(HTTPStatus) else "Checksum Mismatch"
    kind = f"urn:clearcast:problem:{code}"
    body = {"type": kind, "title": title, "status": status, "detail": detail, "code": code, **members}
    headers = {"Retry-After": str(retry_after)} if retry_after is not None else {}
    text = json.dumps(body, ensure_ascii=False)
    return web.Response(status=status, text=text, content_type=MEDIA_TYPE, charset="utf-8", headers=headers)


def from_error(error: ClearcastError) -> web.Response:
    """The answer to a request that raised `error`."""
    status = status_of(error)
    retry_after = error.retry_after if isinstance(error, Unavailable) else None
    if status == 503 and retry_after is None:
        retry_after = 5
    members = {"label": error.label} if isinstance(error, SpeakerNameTaken) else {}
    response = problem(status, error.message, error.code, retry_after=retry_after, **members)
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = 'Bearer realm="clearcast"'  # RFC 9110, section 15.5.2; RFC 6750
    if error.code == "tus-version":
        response.headers["Tus-Version"] = TUS_VERSION  # tus 1.0.0, “Server”: those that are spoken here
    return response
