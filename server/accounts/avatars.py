"""Pictures of people: whatever is sent becomes a small square JPEG of our own making, or nothing."""

from __future__ import annotations

import io
import struct
import zlib

from PIL import Image, ImageOps

from server.errors import InvalidRequest, TooLarge

SIDE = 256
"""Pixels."""
QUALITY = 85
MOST_PIXELS = 20_000_000
"""Of what is sent: decoded, it takes four bytes for each."""
FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
BACKGROUND = (255, 255, 255, 255)
BROKEN = (
    *(OSError, SyntaxError, ValueError, EOFError, OverflowError, IndexError, KeyError, TypeError),
    *(struct.error, zlib.error, Image.DecompressionBombError),
)
"""What Pillow raises for files that are cut or were made to break it."""


def make_avatar(data: bytes) -> bytes:
    """The picture in `data` (JPEG, PNG, WebP or GIF; the first of several) as a square JPEG without anything else.

    Takes a while, and up to 100 MB: for a thread. Raises InvalidRequest "invalid-picture", TooLarge "too-many-pixels"
    before anything is unpacked.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            width, height = picture.size
            if width * height > MOST_PIXELS or not width or not height:
                raise TooLarge(
                    f"The picture has more than {MOST_PIXELS // 1_000_000} megapixels.", code="too-many-pixels"
                )
            picture.draft("RGB", (2 * SIDE, 2 * SIDE))  # a JPEG need not be unpacked whole
            return _square(picture)
    except BROKEN as error:
        raise InvalidRequest("That is no picture: send a JPEG, PNG, WebP or GIF.", code="invalid-picture") from error


def _square(picture: Image.Image) -> bytes:
    upright = ImageOps.exif_transpose(picture)
    fitted = ImageOps.fit(upright.convert("RGBA"), (SIDE, SIDE))
    plain = Image.alpha_composite(Image.new("RGBA", fitted.size, BACKGROUND), fitted).convert("RGB")
    written = io.BytesIO()
    plain.save(written, "JPEG", quality=QUALITY)  # nothing of the file's own data goes along: no place, no camera
    return written.getvalue()
