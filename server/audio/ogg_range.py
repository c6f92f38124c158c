"""Part of an Ogg/Opus file: its packets from any moment on, its sound, or a file of its own that nobody encoded again.

Times are samples at 48 kHz of what a player plays: 0 is the first sample after the pre-skip. Everything here reads in
blocks, so memory does not grow with the file.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from server.audio.frame import Samples
from server.audio.ogg import OggError, OggOpusWriter
from server.audio.ogg_page import FIRST, NO_GRANULE, OggPage, read_pages
from server.audio.opus import MAX_PACKET_SAMPLES, OpusDecoder, OpusError, packet_duration
from server.clock import PACKET, SAMPLE_RATE

PREROLL = SAMPLE_RATE // 2
"""Samples that are decoded before the moment that is wanted: SILK's long memory goes back further than the 80 ms of RFC
7845, section 4.6, and after half a second nothing is left of the difference."""
CROP_PREROLL = 3840
"""The same in a file that is cut: these 80 ms, for some players count the pre-skip as length."""

_NEAR = 1 << 17
"""Bytes that are read rather than halved again."""
_MAX_PACKET = 1 << 20
_PAGE = SAMPLE_RATE
"""Samples of a page in a cropped file."""


@dataclass(frozen=True, slots=True)
class Head:
    """What the first page says, and where the audio begins."""

    pre_skip: int
    channels: int
    serial: int
    audio_offset: int


def read_head(file: BinaryIO) -> Head:
    """Raises OggError where the file does not begin like Ogg/Opus with both of its headers."""
    file.seek(0)
    first: OggPage | None = None
    packets = 0
    for page in read_pages(file):
        if first is None:
            if not page.flags & FIRST or not page.body.startswith(b"OpusHead") or len(page.body) < 19:
                break
            first = page
        elif page.serial != first.serial:
            continue
        packets += sum(ends for _, ends in page.pieces())
        if packets >= 2:
            channels, pre_skip = struct.unpack_from("<BH", first.body, 9)
            return Head(pre_skip, channels, first.serial, page.offset + page.size)
    raise OggError("This is not an Ogg/Opus file.")


def packets_from(file: BinaryIO, head: Head, granule: int) -> Iterator[tuple[int, bytes | None]]:
    """Packets with the granule position at which each begins, the first at or before `granule`.

    None stands for 20 ms that a damaged file lost; a packet torn by the damage is left out.
    """
    offset, position = _place(file, head, granule)
    file.seek(offset)
    partial = b""
    expected: tuple[int, int] | None = None
    for page in read_pages(file):
        if page.serial != head.serial:
            continue
        broken = page.offset != 0 if expected is None else expected != (page.offset, page.sequence)
        expected = page.offset + page.size, (page.sequence + 1) & 0xFFFFFFFF
        partial = partial if page.continued and not broken else b""
        torn = page.continued and not partial
        packets, partial = _whole(page, partial)
        begins = page.granule - sum(_duration(packet) for packet in packets)
        if (broken or torn) and page.granule != NO_GRANULE:
            while position + PACKET <= begins:
                yield position, None
                position += PACKET
            position = max(position, begins)
        for packet in packets:
            yield position, packet
            position += _duration(packet)


def _whole(page: OggPage, partial: bytes) -> tuple[list[bytes], bytes]:
    """The packets that end on a page, and the beginning of one that does not."""
    skip_first = page.continued and not partial
    packets: list[bytes] = []
    for piece, complete in page.pieces():
        partial += piece
        if complete or len(partial) > _MAX_PACKET:
            packets += [] if skip_first else [partial]
            partial, skip_first = b"", False
    return packets, partial


def _place(file: BinaryIO, head: Head, granule: int) -> tuple[int, int]:
    """Where a page begins before which `granule` has not passed, and the position reached there: by halves."""
    low, position = head.audio_offset, 0
    high = file.seek(0, 2)
    while high - low > _NEAR:
        middle = (low + high) // 2
        file.seek(middle)
        page = next((page for page in read_pages(file) if _places(page, head)), None)
        if page is None or page.granule > granule or middle + page.offset + page.size >= high:
            high = middle
        else:
            low, position = middle + page.offset + page.size, page.granule
    return low, position


def _places(page: OggPage, head: Head) -> bool:
    return page.serial == head.serial and page.granule != NO_GRANULE


def _duration(packet: bytes) -> int:
    try:
        return packet_duration(packet)
    except OpusError:
        return 0


def decode_range(file: BinaryIO, start: int, end: int, channels: int = 1) -> Iterator[Samples]:
    """The sound from `start` to `end`, about a second at a time: shape (n,), or (n, 2) with two `channels`.

    Always as many samples as were asked for: what the file lacks is silence, what is lost in it is concealed. Raises
    OggError where it does not begin like Ogg/Opus.
    """
    head = read_head(file)
    decoder = OpusDecoder(channels)
    first, last = start + head.pre_skip, end + head.pre_skip
    reached = first
    blocks: list[Samples] = []
    for position, packet in packets_from(file, head, max(0, first - PREROLL)):
        if position >= last:
            break
        try:
            samples = decoder.decode(packet, PACKET if packet is None else MAX_PACKET_SAMPLES)
        except OpusError:
            samples = _silence(PACKET, channels)
        part = samples[max(0, reached - position) : last - position]
        if position > reached:  # pages were lost without a trace
            blocks.append(_silence(position - reached, channels))
            reached = position
        if len(part):
            blocks.append(part)
            reached += len(part)
        if sum(map(len, blocks)) >= SAMPLE_RATE:
            yield np.concatenate(blocks)
            blocks = []
    if blocks:
        yield np.concatenate(blocks)
    while reached < last:
        count = min(SAMPLE_RATE, last - reached)
        yield _silence(count, channels)
        reached += count


def _silence(count: int, channels: int) -> Samples:
    return np.zeros(count if channels == 1 else (count, channels), np.float32)


def crop(file: BinaryIO, start: int, end: int, serial: int, tags: Mapping[str, str]) -> Iterator[bytes]:
    """The same packets from `start` to `end` as an Ogg/Opus file that plays exactly these samples.

    What a decoder has to hear before the first of them is left to it by the pre-skip (RFC 7845, section 4.3). Raises
    OggError, ValueError.
    """
    if end <= start:
        raise ValueError("there is nothing between these moments")
    head = read_head(file)
    first, last = start + head.pre_skip, end + head.pre_skip
    writer: OggOpusWriter | None = None
    begins = reached = 0
    preroll = max(0, first - CROP_PREROLL)
    for position, packet in packets_from(file, head, preroll):
        if position >= last:
            break
        if position + (PACKET if packet is None else _duration(packet)) <= preroll:
            continue
        if writer is None:
            writer = OggOpusWriter(first - position, serial, tags, channels=head.channels)
            begins = reached = position
            yield writer.header()
        writer.silence(max(0, position - reached) // PACKET)
        if packet is None:
            writer.silence(1)
            reached = position + PACKET
        elif _duration(packet):
            writer.packet(packet, _duration(packet))
            reached = position + _duration(packet)
        if writer.pending >= _PAGE and reached < last:
            yield writer.page()
    if writer is None:
        writer = OggOpusWriter(0, serial, tags, channels=head.channels)
        begins = first
        yield writer.header()
    while writer.position + begins + PACKET < last:
        if writer.pending >= _PAGE:
            yield writer.page()
        writer.silence(1)
    yield writer.close(end - start)
