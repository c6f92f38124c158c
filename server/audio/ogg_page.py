"""Ogg pages (RFC 3533): build them, and find the whole ones in a file that may be damaged."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

NO_GRANULE = -1
"""On a page on which no packet ends (RFC 3533, section 6)."""

CONTINUED, FIRST, LAST = 1, 2, 4

_HEADER = struct.Struct("<4sBBqIIIB")
_MAX_SEGMENTS = 255
_MAX_PAGE = _HEADER.size + _MAX_SEGMENTS + 255 * _MAX_SEGMENTS
_CHUNK = 1 << 16
_REVERSED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


def page_checksum(page: bytes) -> int:
    """The CRC of a page whose own CRC field is zero: polynomial 0x04c11db7, start 0, not reflected.

    zlib computes the mirror image; mirroring bytes in and bits out turns one into the other at C speed.
    """
    mirrored = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(mirrored.to_bytes(4, "little").translate(_REVERSED), "big")


def build_page(flags: int, granule: int, serial: int, sequence: int, laces: bytes, body: bytes) -> bytes:
    head = _HEADER.pack(b"OggS", 0, flags, granule, serial, sequence & 0xFFFFFFFF, 0, len(laces))
    page = head + laces + body
    return page[:22] + struct.pack("<I", page_checksum(page)) + page[26:]


def lace_packet(size: int) -> bytes:
    """The segment table of one packet: full segments and a shorter one (RFC 3533, section 5)."""
    return b"\xff" * (size // 255) + bytes([size % 255])


def paginate(packets: list[tuple[bytes, int]], flags: int, serial: int, sequence: int) -> list[bytes]:
    """Pages that hold `packets`, each with the granule position at its end; `flags` belongs to the first or last."""
    laces = b"".join(lace_packet(len(packet)) for packet, _ in packets)
    body = b"".join(packet for packet, _ in packets)
    granules = iter([granule for _, granule in packets])
    pages: list[bytes] = []
    offset = 0
    open_packet = False
    for first in range(0, len(laces), _MAX_SEGMENTS):
        part = laces[first : first + _MAX_SEGMENTS]
        granule = NO_GRANULE
        for lace in part:
            if lace < 255:
                granule = next(granules)
        page_flags = CONTINUED if open_packet else 0
        page_flags |= flags & FIRST if first == 0 else 0
        page_flags |= flags & LAST if first + _MAX_SEGMENTS >= len(laces) else 0
        size = sum(part)
        pages.append(build_page(page_flags, granule, serial, sequence + len(pages), part, body[offset : offset + size]))
        offset += size
        open_packet = part[-1] == 255
    return pages


@dataclass(frozen=True, slots=True)
class OggPage:
    """One page with a right checksum, and where it lies in the file."""

    offset: int
    size: int
    flags: int
    granule: int
    serial: int
    sequence: int
    laces: bytes
    body: bytes

    @property
    def continued(self) -> bool:
        """Whether the first packet began on the page before."""
        return bool(self.flags & CONTINUED)

    @property
    def last(self) -> bool:
        """Whether the stream ends here."""
        return bool(self.flags & LAST)

    def pieces(self) -> Iterator[tuple[bytes, bool]]:
        """Parts of packets, each with whether the packet ends in it."""
        start = size = 0
        for lace in self.laces:
            size += lace
            if lace < 255:
                yield self.body[start : start + size], True
                start, size = start + size, 0
        if size or (self.laces and self.laces[-1] == 255):
            yield self.body[start:], False


def _parse_page(data: bytes, at: int, offset: int) -> OggPage | None:
    """The page that starts at `data[at]`, None where there is none or its checksum is wrong."""
    if len(data) - at < _HEADER.size:
        return None
    magic, version, flags, granule, serial, sequence, checksum, segments = _HEADER.unpack_from(data, at)
    body_at = at + _HEADER.size + segments
    laces = data[at + _HEADER.size : body_at]
    end = body_at + sum(laces)
    if magic != b"OggS" or version != 0 or len(laces) != segments or end > len(data):
        return None
    if page_checksum(data[at : at + 22] + b"\0\0\0\0" + data[at + 26 : end]) != checksum:
        return None
    return OggPage(offset + at, end - at, flags, granule, serial, sequence, laces, data[body_at:end])


def read_pages(file: BinaryIO) -> Iterator[OggPage]:
    """Every whole page from the file's position on, in order; what lies between them and is no page is skipped.

    Reads in blocks: memory does not grow with the file.
    """
    data = b""
    offset = 0
    at_end = False
    at = 0
    while True:
        while not at_end and len(data) - at < _MAX_PAGE:
            more = file.read(_CHUNK)
            at_end = not more
            data, offset, at = data[at:] + more, offset + at, 0
        at = data.find(b"OggS", at)
        if at < 0:
            if at_end:
                return
            at = max(0, len(data) - 3)
            continue
        if not at_end and len(data) - at < _MAX_PAGE:
            continue
        page = _parse_page(data, at, offset)
        if page is None:
            at += 1
        else:
            at += page.size
            yield page
