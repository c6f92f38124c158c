"""Frames between a server and its caption worker: a JSON header and raw arrays, no pickle.

A frame is eight bytes (two big-endian 32-bit lengths: of the header, of the arrays), the header as UTF-8 JSON, then the
arrays one after the other. The header is an object with a `kind` and, where arrays follow, `arrays`: their shapes. All
arrays are little-endian float32. Lengths are bounded; whatever does not fit is refused, and the connection with it.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

MAX_HEADER = 1 << 20
MAX_ARRAYS = 8 << 20
"""Bytes: forty seconds of a timeline."""
MAX_DIMENSIONS = 4

_LENGTHS = struct.Struct(">II")


class BadFrame(ValueError):
    """What came is no frame of this protocol."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One message."""

    kind: str
    values: Mapping[str, Any]
    arrays: tuple[Floats, ...] = ()


def encode(kind: str, values: Mapping[str, Any], arrays: Sequence[NDArray[Any]] = ()) -> bytes:
    """A frame as bytes. Raises BadFrame when it is larger than the other side takes."""
    header: dict[str, Any] = {"kind": kind, **values}
    if arrays:
        header["arrays"] = [list(array.shape) for array in arrays]
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    data = b"".join(np.ascontiguousarray(array, "<f4").tobytes() for array in arrays)
    if len(text) > MAX_HEADER or len(data) > MAX_ARRAYS:
        raise BadFrame(f"a frame of {len(text)} and {len(data)} bytes is too large")
    return _LENGTHS.pack(len(text), len(data)) + text + data


class FrameReader:
    """Bytes in, however they are cut; frames out. Keeps less than one frame."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that are whole now. Raises BadFrame; nothing that follows can be read then."""
        self._buffer += data
        frames = []
        while len(self._buffer) >= _LENGTHS.size:
            header, arrays = _LENGTHS.unpack_from(self._buffer)
            if header > MAX_HEADER or arrays > MAX_ARRAYS:
                raise BadFrame(f"a frame of {header} and {arrays} bytes is announced")
            end = _LENGTHS.size + header + arrays
            if len(self._buffer) < end:
                break
            text = bytes(self._buffer[_LENGTHS.size : _LENGTHS.size + header])
            frames.append(_frame(text, bytes(self._buffer[_LENGTHS.size + header : end])))
            del self._buffer[:end]
        return frames


def _frame(text: bytes, data: bytes) -> Frame:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadFrame("the header is not JSON") from error
    if not isinstance(values, dict) or not isinstance(kind := values.pop("kind", None), str):
        raise BadFrame("the header has no kind")
    shapes = values.pop("arrays", [])
    if not isinstance(shapes, list) or not all(_is_shape(shape) for shape in shapes):
        raise BadFrame("the header's shapes mean nothing")
    if 4 * sum(math.prod(shape) for shape in shapes) != len(data):
        raise BadFrame("the arrays are not as long as their shapes say")
    arrays, at = [], 0
    for shape in shapes:
        count = math.prod(shape)
        arrays.append(np.frombuffer(data, "<f4", count, at).reshape(shape))
        at += 4 * count
    return Frame(kind, values, tuple(arrays))


def _is_shape(shape: Any) -> bool:
    return (
        isinstance(shape, list)
        and 1 <= len(shape) <= MAX_DIMENSIONS
        and all(type(length) is int and 0 <= length <= MAX_ARRAYS for length in shape)
    )
