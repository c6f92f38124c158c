"""A client of tus 1.0.0, written from the protocol's text and nothing of the server's."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp

PART = "application/offset+octet-stream"
TUS = {"Tus-Resumable": "1.0.0"}


def metadata(**values: str) -> str:
    return ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in values.items())


async def create(http: aiohttp.ClientSession, size: int, **known: str) -> str:
    """Announce a file; returns where its bytes go."""
    headers = {**TUS, "Upload-Length": str(size), "Upload-Metadata": metadata(**known)}
    async with http.post("/api/v1/uploads", headers=headers) as response:
        assert response.status == 201, await response.text()
        assert response.headers["Tus-Resumable"] == "1.0.0"
        return response.headers["Location"]


async def offset(http: aiohttp.ClientSession, place: str) -> int:
    async with http.head(place, headers=TUS) as response:
        assert response.status in (200, 204), response.status
        assert response.headers["Cache-Control"] == "no-store"
        return int(response.headers["Upload-Offset"])


def patch(http: aiohttp.ClientSession, place: str, at: int, data: bytes | AsyncIterator[bytes], **more: str) -> Any:
    headers = {**TUS, "Upload-Offset": str(at), "Content-Type": PART, **more}
    return http.patch(place, headers=headers, data=data)


async def send(http: aiohttp.ClientSession, place: str, data: bytes, part: int = 1 << 20) -> None:
    """All that is missing, in parts."""
    at = await offset(http, place)
    while at < len(data):
        async with patch(http, place, at, data[at : at + part]) as response:
            assert response.status == 204, await response.text()
            at = int(response.headers["Upload-Offset"])


async def upload(http: aiohttp.ClientSession, data: bytes, name: str = "talk.wav", **known: str) -> str:
    """A whole file; returns the upload's id."""
    place = await create(http, len(data), filename=name, **known)
    await send(http, place, data)
    return place.split("/")[-2]


def checksum(data: bytes, algorithm: str = "sha1") -> Mapping[str, str]:
    digest = hashlib.new(algorithm, data, usedforsecurity=False).digest()
    return {"Upload-Checksum": f"{algorithm} {base64.b64encode(digest).decode()}"}
