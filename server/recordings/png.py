"""Pictures of levels, as PNG (ISO/IEC 15948)."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY_AND_ALPHA = 4
_UP = 2
"""Each row as what it differs by from the one above: neighbours are alike."""


def alpha_png(levels: NDArray[np.uint8]) -> bytes:
    """A black picture whose opacity is `levels`, shape (height, width)."""
    height, width = levels.shape
    pixels = np.zeros((height, width, 2), np.uint8)
    pixels[..., 1] = levels
    rows = pixels.reshape(height, 2 * width)
    filtered = np.empty((height, 1 + 2 * width), np.uint8)
    filtered[:, 0] = _UP
    filtered[0, 1:] = rows[0]
    filtered[1:, 1:] = rows[1:] - rows[:-1]  # modulo 256, as the format has it
    head = struct.pack(">IIBBBBB", width, height, 8, _GREY_AND_ALPHA, 0, 0, 0)
    data = zlib.compress(filtered.tobytes(), 6)
    return _SIGNATURE + _chunk(b"IHDR", head) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
