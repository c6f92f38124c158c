"""What a packet of Opus says of itself, without decoding it (RFC 6716, section 3), and packets that carry no sound."""

from __future__ import annotations

from server.audio.opus import OpusError, packet_duration

STEP = 120
"""Samples in the shortest frame, 2.5 ms: every packet's duration is a multiple of it."""

_MAX_FRAME_BYTES = 1275
_CELT_FULLBAND = 28
_STEREO = 4
_SILENT_FRAME = b"\xff\xfe"
"""A CELT frame whose first symbol says that there is nothing (section 4.3)."""


def check_packet(packet: bytes) -> int:
    """Samples at 48 kHz in a well-formed packet. Raises OpusError for one that breaks a rule of section 3.4."""
    duration = packet_duration(packet)  # [R1], [R5]
    code = packet[0] & 3
    if code == 0:
        _check_equal(len(packet) - 1, 1)  # [R2]
    elif code == 1:
        _check_equal(len(packet) - 1, 2)  # [R3]
    elif code == 2:
        size, used = _length(packet, 1)
        _check_frames([size], len(packet) - 1 - used)  # [R4]
    else:
        _check_many(packet)  # [R6], [R7]
    return duration


def _check_many(packet: bytes) -> None:
    """A packet of code 3: up to 48 frames, of equal length or each with its own, and padding."""
    count, variable, padded = packet[1] & 0x3F, packet[1] & 0x80, packet[1] & 0x40
    offset, padding = 2, 0
    while padded:
        more = _byte(packet, offset)
        offset += 1
        padding += 254 if more == 255 else more
        padded = more == 255
    sizes: list[int] = []
    for _ in range(count - 1 if variable else 0):
        size, used = _length(packet, offset)
        sizes.append(size)
        offset += used
    left = len(packet) - offset - padding
    if variable:
        _check_frames(sizes, left)
    else:
        _check_equal(left, count)


def _byte(packet: bytes, offset: int) -> int:
    if offset >= len(packet):
        raise OpusError("Opus: the packet ends before its frames begin.")
    return packet[offset]


def _length(packet: bytes, offset: int) -> tuple[int, int]:
    """A frame's length and the bytes that it is written in (section 3.2.1)."""
    first = _byte(packet, offset)
    if first < 252:
        return first, 1
    return first + 4 * _byte(packet, offset + 1), 2


def _check_equal(size: int, count: int) -> None:
    if size < 0 or size % count or size // count > _MAX_FRAME_BYTES:
        raise OpusError("Opus: the packet cannot be divided into its frames.")


def _check_frames(sizes: list[int], left: int) -> None:
    """Frames of `sizes` bytes and one that takes what remains of `left`."""
    if left - sum(sizes) < 0 or max([left - sum(sizes), *sizes]) > _MAX_FRAME_BYTES:
        raise OpusError("Opus: the packet is shorter or longer than its frames.")


def concealing_packets(duration: int, last: int) -> list[bytes]:
    """Packets that ask a decoder to make up `duration` samples for lost ones (RFC 7845, section 4.1).

    `duration` is a multiple of 120, `last` the first byte of the packet before. They are frames of no bytes, coded as
    the packet before was as far as its mode has frames that short.
    """
    config, stereo = last >> 3, last & _STEREO
    steps = ((1, 960), (0, 480)) if config < 16 else ((3, 960), (2, 480), (1, 240), (0, 120))
    base = config & ~1 if 12 <= config < 16 else config & ~3
    packets: list[bytes] = []
    for step, size in steps:
        packets += [bytes([(base + step) << 3 | stereo])] * (duration // size)
        duration %= size
    return packets + [packet[:1] for packet in silence_packets(duration, 2 if stereo else 1)]


def silence_packets(duration: int, channels: int) -> list[bytes]:
    """Packets of digital silence, `duration` samples of it, which is a multiple of 120: the longest first."""
    packets: list[bytes] = []
    for step in (3, 2, 1, 0):
        toc = (_CELT_FULLBAND + step) << 3 | (_STEREO if channels == 2 else 0)
        size = STEP << step
        packets += [bytes([toc]) + _SILENT_FRAME] * (duration // size)
        duration %= size
    return packets
