"""How the bytes of an upload come: tus 1.0.0 (https://tus.io/protocols/resumable-upload), a thin layer over the desk.

Extensions: creation, expiration, checksum, termination. Bodies are written to the disk as they come.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import AsyncIterator, Mapping
from email.utils import format_datetime
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from server.accounts import Action
from server.errors import ClearcastError, InvalidRequest, TooLarge, UnsupportedType
from server.rates import Rate
from server.store.uploads import Upload, UploadState
from server.uploads.receiving import ALGORITHMS, Checksum
from server.web.handlers.uploads import BASE, load
from server.web.problems import TUS_VERSION
from server.web.routing import Call, RouteTable
from server.web.upload_schemas import UploadOptionsIn

VERSION = TUS_VERSION
EXTENSIONS = "creation,expiration,checksum,termination"
PART = "application/offset+octet-stream"
MAX_METADATA = 8 * 1024
CHUNK = 256 * 1024

table = RouteTable("uploads")

_RESUMABLE = {"Tus-Resumable": "The version of tus that is spoken: 1.0.0."}
_OFFSET = {"Upload-Offset": "Bytes that are here."}
_EXPIRES = {"Upload-Expires": "Until when it can be gone on with."}


class WrongVersion(ClearcastError):
    """The client speaks another version of tus, or none."""

    code = "tus-version"


def _answer(call: Call, status: int, headers: Mapping[str, str]) -> web.Response:
    return web.Response(status=status, headers={"Tus-Resumable": VERSION, **headers})


def _check_version(call: Call) -> None:
    if call.request.headers.get("Tus-Resumable") != VERSION:
        raise WrongVersion(f"Send the header Tus-Resumable: {VERSION}; this server speaks that version of tus.")


@table.route(
    "OPTIONS",
    BASE,
    Action.READ_CONFIG,
    "What this server can do of tus 1.0.0",
    status=204,
    gives={"Tus-Version": "1.0.0", "Tus-Extension": EXTENSIONS, "Tus-Max-Size": "Largest file in bytes."},
)
async def describe(call: Call) -> web.Response:
    told = {
        "Tus-Version": VERSION,
        "Tus-Extension": EXTENSIONS,
        "Tus-Max-Size": str(call.services.uploads.largest),
        "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
    }
    return _answer(call, 204, told)


@table.route(
    "POST",
    BASE,
    Action.UPLOAD,
    "Announce a file (tus creation)",
    status=201,
    takes={
        "Upload-Length": "Its bytes.",
        "Upload-Metadata": "`filename`, `batch` and `options` (JSON, as elsewhere), each with its value in Base64.",
        **_RESUMABLE,
    },
    gives={"Location": "Where its bytes go.", **_EXPIRES},
    errors=(412, 413, 503, 507),
)
async def announce(call: Call) -> web.Response:
    _check_version(call)
    headers = call.request.headers
    if "Upload-Defer-Length" in headers:
        raise InvalidRequest("The length has to be known: send Upload-Length.", code="length-unknown")
    size = _number(headers.get("Upload-Length"), "Upload-Length")
    known = _metadata(headers.get("Upload-Metadata", ""))
    batch = known.get("batch") or None
    if batch is not None and (len(batch) > 64 or not batch.replace("-", "").replace("_", "").isalnum()):
        raise InvalidRequest("batch: 64 letters, digits, - and _ at most.")
    upload = await call.services.uploads.create(
        call.actor.id, known.get("filename", ""), size, batch, _options(known.get("options"))
    )
    return _answer(call, 201, {"Location": f"{BASE}/{upload.id}/content", **_expires(call, upload)})


@table.route(
    "GET",
    f"{BASE}/{{id}}/content",
    Action.READ_UPLOAD,
    "How much of a file is here; clients of tus ask by HEAD",
    resource=load,
    status=204,
    takes=_RESUMABLE,
    gives={**_OFFSET, "Upload-Length": "Bytes of the whole file."},
    errors=(412,),
    rate=Rate.MEDIA,
)
async def tell_offset(call: Call) -> web.Response:
    _check_version(call)
    upload = await call.services.uploads.settle(call.subject)
    told = {"Upload-Offset": str(upload.received), "Upload-Length": str(upload.size), "Cache-Control": "no-store"}
    return _answer(call, 204, told | _expires(call, upload))


@table.route(
    "PATCH",
    f"{BASE}/{{id}}/content",
    Action.CHANGE_UPLOAD,
    "A part of a file (tus); `application/offset+octet-stream`",
    resource=load,
    status=204,
    takes={
        "Upload-Offset": "Where it belongs: what HEAD has answered.",
        "Upload-Checksum": f"`algorithm Base64`, one of {', '.join(ALGORITHMS)}.",
        **_RESUMABLE,
    },
    gives={**_OFFSET, **_EXPIRES},
    errors=(409, 412, 413, 415, 423, 503, 507),
    rate=Rate.MEDIA,
)
async def receive(call: Call) -> web.Response:
    _check_version(call)
    request = call.request
    if request.content_type != PART:
        raise UnsupportedType(f"The body must be {PART}.")
    if "Content-Encoding" in request.headers:
        raise UnsupportedType("A part of a file must not be packed.")
    offset = _number(request.headers.get("Upload-Offset"), "Upload-Offset")
    upload: Upload = call.subject
    if (request.content_length or 0) > upload.size - offset >= 0:
        raise TooLarge(f"The upload is longer than the {upload.size} bytes that were announced.")
    checksum = _checksum(request.headers.get("Upload-Checksum"))
    upload = await call.services.uploads.receive(upload, offset, _chunks(request), checksum)
    return _answer(call, 204, {"Upload-Offset": str(upload.received), **_expires(call, upload)})


@table.route(
    "DELETE",
    f"{BASE}/{{id}}/content",
    Action.CHANGE_UPLOAD,
    "Give an upload up (tus termination)",
    resource=load,
    status=204,
    takes=_RESUMABLE,
    errors=(412,),
)
async def terminate(call: Call) -> web.Response:
    _check_version(call)
    await call.services.uploads.remove(call.subject)
    return _answer(call, 204, {})


async def _chunks(request: web.Request) -> AsyncIterator[bytes]:
    async for chunk in request.content.iter_chunked(CHUNK):
        yield chunk


def _number(text: str | None, name: str) -> int:
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 18:
        raise InvalidRequest(f"{name} must be a number of bytes.")
    return int(text)


def _metadata(text: str) -> dict[str, str]:
    """Names and values (tus, Upload-Metadata). Raises InvalidRequest."""
    if len(text) > MAX_METADATA:
        raise InvalidRequest(f"Upload-Metadata has more than {MAX_METADATA // 1024} kB.")
    known: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = pair.partition(" ")
        if name in known:
            raise InvalidRequest(f"Upload-Metadata names {name[:40]!r} twice.")
        try:
            known[name] = base64.b64decode(value.strip(), validate=True).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError):
            raise InvalidRequest(f"Upload-Metadata: the value of {name[:40]!r} is no text in Base64.") from None
    return known


def _options(text: str | None) -> dict[str, Any]:
    if not text:
        return {}
    try:
        return UploadOptionsIn.model_validate(json.loads(text)).model_dump(mode="json")
    except (ValidationError, ValueError, RecursionError):
        raise InvalidRequest("Upload-Metadata: `options` means nothing.", code="invalid-options") from None


def _checksum(text: str | None) -> Checksum | None:
    if text is None:
        return None
    algorithm, _, value = text.partition(" ")
    if algorithm not in ALGORITHMS:
        raise InvalidRequest(f"Checksums are {', '.join(ALGORITHMS)}.", code="checksum-algorithm")
    try:
        return Checksum(algorithm, base64.b64decode(value, validate=True))
    except binascii.Error:
        raise InvalidRequest("Upload-Checksum is no Base64.") from None


def _expires(call: Call, upload: Upload) -> dict[str, str]:
    if upload.state != UploadState.RECEIVING:
        return {}
    return {"Upload-Expires": format_datetime(call.services.uploads.expires_at(upload), usegmt=True)}
