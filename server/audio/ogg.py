"""Opus in Ogg (RFC 3533, RFC 7845): write, read what is left of a damaged file, close a truncated one.

Sans I/O where writing: bytes come out and the caller decides where they go and when they are safe. What a recorder
writes is playable up to its last whole page at any moment.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from server.audio.ogg_page import FIRST, LAST, NO_GRANULE, OggPage, build_page, lace_packet, paginate, read_pages
from server.audio.opus import SILENCE_PACKET, OpusError, packet_duration
from server.audio.toc import silence_packets
from server.clock import PACKET
from server.errors import ClearcastError

_MAX_PACKET = 1 << 20
_MAX_DAMAGES = 1000


class OggError(ClearcastError):
    """The file is not Ogg/Opus, or too little of it is left."""

    code = "audio-file"


def _head_packet(pre_skip: int, channels: int, input_rate: int) -> bytes:
    """OpusHead (RFC 7845, section 5.1), mapping family 0, no gain."""
    return b"OpusHead" + struct.pack("<BBHIhB", 1, channels, pre_skip, input_rate, 0, 0)


def _tags_packet(vendor: str, tags: Mapping[str, str]) -> bytes:
    """OpusTags (RFC 7845, section 5.2)."""
    comments = [f"{name.upper()}={value}".encode() for name, value in tags.items()]
    maker = vendor.encode()
    parts = [b"OpusTags", struct.pack("<I", len(maker)), maker, struct.pack("<I", len(comments))]
    for comment in comments:
        parts += [struct.pack("<I", len(comment)), comment]
    return b"".join(parts)


class OggOpusWriter:
    """One logical Opus stream, as bytes.

    `pre_skip` is the encoder's lookahead in samples: with it the first sample a player hears is the first one that
    was encoded. `serial` distinguishes streams; `tags` are comments such as TITLE and DATE.
    Order: `header()` once, then `packet()` and `page()` as they come, then `close()`.
    """

    def __init__(
        self,
        pre_skip: int,
        serial: int,
        tags: Mapping[str, str] | None = None,
        *,
        channels: int = 1,
        input_rate: int = 48_000,
        vendor: str = "Clearcast",
    ) -> None:
        self.pre_skip = pre_skip
        self.serial = serial & 0xFFFFFFFF
        self.closed = False
        self._silence = silence_packets(PACKET, channels)[0]
        self._head = _head_packet(pre_skip, channels, input_rate)
        self._tags = _tags_packet(vendor, tags or {})
        self._pending: list[tuple[bytes, int]] = []
        self._granule = 0
        self._sequence = 0

    @classmethod
    def resumed(cls, info: OggInfo) -> OggOpusWriter:
        """Goes on after the last whole page of a file that `scan` has found open; there is no second `header()`.

        Raises OggError where the headers are not whole or the stream has its last page.
        """
        if not info.complete_headers or info.closed:
            raise OggError("There is nothing to go on with in this file.")
        writer = cls(info.pre_skip, info.serial, channels=info.channels)
        writer._granule = info.last_granule
        writer._sequence = info.last_sequence + 1
        return writer

    @property
    def position(self) -> int:
        """Samples of all packets given so far, what players skip included."""
        return self._granule

    @property
    def duration(self) -> int:
        """Samples that a player would play of everything given so far, pending packets included."""
        return max(0, self._granule - self.pre_skip)

    @property
    def pending(self) -> int:
        """Samples given since the last page."""
        first = self._pending[0] if self._pending else None
        return self._granule - (first[1] - packet_duration(first[0])) if first else 0

    def header(self) -> bytes:
        """The pages before the audio; they have to come first, each packet on pages of its own."""
        return self._flush([(self._head, 0)], FIRST) + self._flush([(self._tags, 0)], 0)

    def packet(self, data: bytes, samples: int = PACKET) -> None:
        """Take one Opus packet of `samples` at 48 kHz; it is in the bytes of the next `page()`."""
        if self.closed:
            raise ValueError("the stream is closed")
        self._granule += samples
        self._pending.append((data, self._granule))

    def silence(self, packets: int) -> None:
        """Take `packets` × 20 ms of silence: how missing time is written, for players trip over granule jumps."""
        for _ in range(packets):
            self.packet(self._silence)

    def page(self) -> bytes:
        """Everything taken since the last page, as whole pages; empty when there is nothing."""
        pending, self._pending = self._pending, []
        return self._flush(pending, 0) if pending else b""

    def close(self, duration: int | None = None) -> bytes:
        """The last pages, the final one marked so. Nothing can be added afterwards.

        `duration` in samples is what a player shall play; it is filled up with silence, or cut by at most what has
        not been written yet. Without it all packets count.
        """
        if self.closed:
            return b""
        while duration is not None and self.duration < duration:
            self.packet(SILENCE_PACKET)
        floor = self._granule - self.pending
        end = self._granule if duration is None else max(floor, duration + self.pre_skip)
        if not self._pending:
            # An empty last page is legal and trips readers; a packet trimmed away whole is not (RFC 7845, 4.4).
            self.packet(SILENCE_PACKET)
        self.closed = True
        pending, self._pending = self._pending, []
        pending[-1] = (pending[-1][0], end)
        self._granule = end
        return self._flush(pending, LAST)

    def _flush(self, packets: list[tuple[bytes, int]], flags: int) -> bytes:
        pages = paginate(packets, flags, self.serial, self._sequence)
        self._sequence += len(pages)
        return b"".join(pages)


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes that are no page, or pages that are missing, in the middle of a file."""

    offset: int
    size: int
    """Unreadable bytes; 0 where pages are missing without a trace."""
    missing_pages: int


@dataclass(frozen=True, slots=True)
class OggInfo:
    """What a scan found."""

    valid_bytes: int
    """Where the last whole page ends; whatever follows is the torn end of a write."""
    duration_samples: int
    """What a player plays, at 48 kHz: last granule position less the pre-skip."""
    pre_skip: int
    channels: int
    closed: bool
    """Whether the stream has its last page."""
    packets: int
    """Audio packets in whole pages."""
    serial: int
    pages: int
    last_sequence: int
    last_granule: int
    complete_headers: bool
    """Whether both headers are whole; without them nothing can play it."""
    damages: tuple[Damage, ...]
    """At most the first thousand."""
    torn_bytes: int
    """Bytes after `valid_bytes`."""


class _Scanner:
    """Collects what `scan` reports, page by page."""

    def __init__(self) -> None:
        self.pages = self.packets = self.header_packets = 0
        self.valid = self.granule = self.serial = self.sequence = 0
        self.pre_skip = self.channels = 0
        self.closed = self.audio = False
        self.damages: list[Damage] = []

    def head(self, page: OggPage) -> None:
        """Read OpusHead off the first page."""
        if not (page.flags & FIRST) or not page.body.startswith(b"OpusHead") or len(page.body) < 19:
            raise OggError("This is not an Ogg/Opus file.")
        self.channels, self.pre_skip = struct.unpack_from("<BH", page.body, 9)
        self.serial = page.serial

    def add(self, page: OggPage) -> None:
        if self.pages == 0:
            self.head(page)
        elif page.serial != self.serial:
            return
        hole = page.offset - self.valid
        missing = (page.sequence - self.sequence - 1) & 0xFFFFFFFF if self.pages else 0
        if (hole or missing) and len(self.damages) < _MAX_DAMAGES:
            self.damages.append(Damage(self.valid, hole, missing))
        # The headers' pages say 0; where they were lost, the first audio page must not pass for one.
        self.audio = self.audio or self.header_packets == 2 or page.granule > 0
        complete = sum(ends for _, ends in page.pieces())
        if self.audio:
            self.packets += complete
            self.granule = max(self.granule, page.granule)
        else:
            self.header_packets += complete
        self.closed = page.last
        self.sequence = page.sequence
        self.valid = page.offset + page.size
        self.pages += 1


def scan(file: BinaryIO) -> OggInfo:
    """Look through an Ogg/Opus file from its start, whatever state it is in. Leaves the position anywhere.

    Raises OggError when it does not begin like one.
    """
    file.seek(0)
    scanner = _Scanner()
    for page in read_pages(file):
        scanner.add(page)
    if scanner.pages == 0:
        raise OggError("There is no whole Ogg page in this file.")
    size = file.seek(0, 2)
    return OggInfo(
        valid_bytes=scanner.valid,
        duration_samples=max(0, scanner.granule - scanner.pre_skip),
        pre_skip=scanner.pre_skip,
        channels=scanner.channels,
        closed=scanner.closed,
        packets=scanner.packets,
        serial=scanner.serial,
        pages=scanner.pages,
        last_sequence=scanner.sequence,
        last_granule=scanner.granule,
        complete_headers=scanner.header_packets == 2,
        damages=tuple(scanner.damages),
        torn_bytes=size - scanner.valid,
    )


def closing_page(info: OggInfo) -> bytes:
    """The last page that a truncated file lacks, to be written at `info.valid_bytes`.

    It holds one packet of silence, trimmed away whole: the duration stays what was recorded. Raises OggError when
    the headers are not whole.
    """
    if not info.complete_headers:
        raise OggError("The file was cut before its first audio; there is nothing to recover.")
    granule = max(info.last_granule, info.pre_skip)
    return build_page(
        LAST, granule, info.serial, info.last_sequence + 1, lace_packet(len(SILENCE_PACKET)), SILENCE_PACKET
    )


def close_tail(file: BinaryIO) -> OggInfo:
    """Cut the torn end off a file opened "r+b" and give it a last page; a closed file only loses bytes after its end.

    Returns what the file holds now. The caller syncs it to disk. Raises OggError as `scan` and `closing_page` do.
    """
    info = scan(file)
    end = b"" if info.closed else closing_page(info)
    file.seek(info.valid_bytes)
    file.write(end)
    file.truncate()
    file.flush()
    return scan(file)


def read_packets(file: BinaryIO) -> Iterator[bytes | None]:
    """The audio packets from the file's start on; None stands for 20 ms that a damaged file lost.

    A packet torn by the damage is left out. Raises OggError when it does not begin like Ogg/Opus.
    """
    file.seek(0)
    scanner = _Scanner()
    partial = b""
    position = 0
    for page in read_pages(file):
        damages = len(scanner.damages)
        scanner.add(page)
        if page.serial != scanner.serial or not scanner.audio:
            continue
        broken = len(scanner.damages) > damages
        partial = partial if page.continued and not broken else b""
        skip_first = page.continued and not partial
        packets: list[bytes] = []
        for piece, complete in page.pieces():
            partial += piece
            if complete or len(partial) > _MAX_PACKET:
                packets += [] if skip_first else [partial]
                partial, skip_first = b"", False
        duration = sum(_duration(packet) for packet in packets)
        if broken and page.granule != NO_GRANULE:
            missing = max(0, page.granule - duration - position)
            yield from [None] * (missing // PACKET)
        position = page.granule if page.granule != NO_GRANULE else position + duration
        yield from packets


def _duration(packet: bytes) -> int:
    try:
        return packet_duration(packet)
    except OpusError:
        return 0
