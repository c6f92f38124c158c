"""JSON from strangers: read with limits on how it is built, besides the one on how long it is."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from server.errors import InvalidRequest

DEEPEST = 16
"""Lists and objects inside of each other; what this API takes has four."""
MOST_PARTS = 5_000
"""Lists and objects altogether."""

_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")


def read_json(body: bytes) -> Any:
    """What a body says. Raises InvalidRequest, "too-deep" before anything is built of one that is nested too deeply."""
    if body.count(b"[") + body.count(b"{") > MOST_PARTS or _depth(body) > DEEPEST:
        raise InvalidRequest(f"The body has more than {DEEPEST} levels, or too many parts.", code="too-deep")
    try:
        return json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise InvalidRequest("The body is not valid JSON.", code="invalid-json") from None


def _depth(body: bytes) -> int:
    depth = deepest = 0
    for bracket in _TEXT.sub(b"", body).translate(None, _NOT_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")  # RFC 8259, section 6
