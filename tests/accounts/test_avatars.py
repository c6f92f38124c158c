"""Pictures: whatever is sent becomes a small square JPEG of our own, or is refused before it is unpacked."""

from __future__ import annotations

import contextlib
import io
import random
import struct
import zlib

import pytest
from PIL import Image

from server.accounts.avatars import SIDE, make_avatar
from server.errors import InvalidRequest, TooLarge


def written(kind: str, size: tuple[int, int] = (600, 300), mode: str = "RGB", **options: object) -> bytes:
    left = Image.new(mode, size, 255 if mode in ("L", "P") else "red")
    data = io.BytesIO()
    left.save(data, kind, **options)
    return data.getvalue()


def opened(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("JPEG", "RGB"), ("JPEG", "CMYK"), ("PNG", "RGBA"), ("PNG", "P"), ("PNG", "1"), ("WEBP", "RGB"), ("GIF", "P")],
)
def test_every_usual_picture_becomes_a_small_square(kind: str, mode: str) -> None:
    made = opened(make_avatar(written(kind, mode=mode)))
    assert (made.format, made.size, made.mode) == ("JPEG", (SIDE, SIDE), "RGB")


def test_what_a_camera_wrote_into_the_file_does_not_go_along_and_the_picture_stands_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    exif[0x010E] = "at home"
    turned = Image.new("RGB", (400, 400), "blue")
    turned.paste("red", (0, 0, 400, 200))  # red above: after turning, red on the right
    data = io.BytesIO()
    turned.save(data, "JPEG", exif=exif, comment=b"secret place")
    made = make_avatar(data.getvalue())
    assert b"at home" not in made and b"secret" not in made
    picture = opened(made)
    assert not picture.getexif()
    red, _, blue = picture.getpixel((SIDE - 10, SIDE // 2))
    assert red > 200 > 60 > blue


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", id="svg"),
        pytest.param(b"<html><script>alert(1)</script>", id="html"),
        pytest.param(b"PK\x03\x04" + bytes(100), id="zip"),
        pytest.param(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", id="postscript"),
        pytest.param(written("TIFF"), id="tiff"),
        pytest.param(written("BMP"), id="bmp"),
        pytest.param(written("ICO"), id="ico"),
        pytest.param(written("PNG")[:60], id="cut"),
        pytest.param(written("JPEG")[:300], id="cut jpeg"),
    ],
)
def test_what_is_no_such_picture_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        make_avatar(data)
    assert caught.value.code == "invalid-picture"


def test_damaged_pictures_break_nothing() -> None:
    chance = random.Random(6)
    for kind in ("JPEG", "PNG", "WEBP", "GIF"):
        good = written(kind, (64, 64), "P" if kind == "GIF" else "RGB")
        for _ in range(150):
            data = bytearray(good)
            for _ in range(chance.randrange(1, 6)):
                data[chance.randrange(len(data))] = chance.randrange(256)
            with contextlib.suppress(InvalidRequest, TooLarge):
                assert opened(make_avatar(bytes(data))).size == (SIDE, SIDE)


def png_of(width: int, height: int) -> bytes:
    """A PNG that unpacks to `width` by `height` white pixels, from a file of a few kB."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    packer = zlib.compressobj(9)
    line = b"\0" + b"\xff" * ((width + 7) // 8)
    body = b"".join(packer.compress(line) for _ in range(min(height, 2000))) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(30_000, 30_000), (5_000, 5_000), (2_000_000, 11)])
def test_a_picture_that_would_unpack_to_gigabytes_is_not_unpacked(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = png_of(*size)
    assert len(data) < 2_000_000

    def load(*_: object) -> None:
        raise AssertionError("it was unpacked")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    with pytest.raises((TooLarge, InvalidRequest)):
        make_avatar(data)
