"""STUN as far as a shared port needs it (RFC 8489): whose message is it, and is it signed.

Every datagram from anybody comes through here before anything else looks at it, so this reads as little as it can;
aioice parses what is left.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

COOKIE = b"\x21\x12\xa4\x42"
HEADER = 20
BINDING_REQUEST = b"\x00\x01"
BINDING_ANSWERS = (b"\x01\x01", b"\x01\x11")
MAX_ATTRIBUTES = 24
"""Attributes that are looked at; browsers send at most ten."""

_USERNAME, _INTEGRITY, _PRIORITY = 0x0006, 0x0008, 0x0024
_SIGNATURE = 20


@dataclass(frozen=True, slots=True)
class Check:
    """A connectivity check (RFC 8445 section 7.2.2) as it came."""

    data: bytes
    ufrag: bytes
    """The receiver's half of the user name: whom it is for."""
    signed: int
    """Bytes before its signature."""

    def is_signed_with(self, key: bytes) -> bool:
        """Whether MESSAGE-INTEGRITY is the one that `key` gives (RFC 8489 section 14.5)."""
        data, end = self.data, self.signed
        length = end - HEADER + 4 + _SIGNATURE
        covered = data[:2] + length.to_bytes(2, "big") + data[4:end]
        return hmac.compare_digest(hmac.digest(key, covered, "sha1"), data[end + 4 : end + 4 + _SIGNATURE])


def is_stun(data: bytes) -> bool:
    """Whether a datagram that begins with a byte below 4 is whole STUN."""
    return (
        len(data) >= HEADER
        and data[4:8] == COOKIE
        and not len(data) & 3
        and len(data) == HEADER + int.from_bytes(data[2:4], "big")
    )


def read_check(data: bytes) -> Check | None:
    """What a binding request says before its signature; None when it is not a check that could be signed."""
    position, end = HEADER, len(data)
    ufrag, prioritised = b"", False
    for _ in range(MAX_ATTRIBUTES):
        if position + 4 > end:
            return None
        kind = data[position] << 8 | data[position + 1]
        length = data[position + 2] << 8 | data[position + 3]
        if kind == _USERNAME:
            ufrag = data[position + 4 : position + 4 + length].partition(b":")[0]
        elif kind == _PRIORITY:
            prioritised = length == 4
        elif kind == _INTEGRITY:
            whole = length == _SIGNATURE and position + 4 + length <= end
            return Check(data, ufrag, position) if ufrag and prioritised and whole else None
        position += 4 + (length + 3 & ~3)
    return None
