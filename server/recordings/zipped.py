"""A zip file that is made while it is sent."""

from __future__ import annotations

import asyncio
import zipfile
from collections.abc import AsyncGenerator
from typing import BinaryIO

PIECE = 256 * 1024
"""Bytes that are read of a file at a time."""


class ZipPipe:
    """What the zip writer writes into; it cannot go back, so nothing needs to be kept."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def take(self) -> bytes:
        """What was written since the last time."""
        parts, self._parts = self._parts, []
        return b"".join(parts)

    def archive(self) -> zipfile.ZipFile:
        """A zip file that is written here."""
        return zipfile.ZipFile(self, "w", zipfile.ZIP_DEFLATED)  # type: ignore[call-overload,no-any-return]


async def stored(name: str, source: BinaryIO, archive: zipfile.ZipFile, pipe: ZipPipe) -> AsyncGenerator[bytes, None]:
    """Add a file as it is, for what is compressed already; `source` is closed. Yields what is to be sent."""
    with source, archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as target:
        while piece := await asyncio.to_thread(source.read, PIECE):
            await asyncio.to_thread(target.write, piece)
            yield pipe.take()
