"""What the page saves, opened by programs that know nothing of this project."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import av
from docx import Document
from pypdf import PdfReader

if TYPE_CHECKING:
    from playwright.async_api import Page

SOUNDS = {
    "download": "opus", "download-mp3": "mp3", "download-m4a": "aac", "download-flac": "flac", "download-wav": "pcm",
}  # fmt: skip
"""What is pressed in the menu of downloads, and the beginning of the codec's name."""


async def take(page: Page, testid: str, folder: Path) -> Path:
    """Press it; the file that the browser saves."""
    async with page.expect_download() as waiting:
        await page.get_by_test_id(testid).click()
    download = await waiting.value
    path = folder / f"{testid}-{download.suggested_filename}"
    await download.save_as(path)
    return path


def heard(data: bytes) -> tuple[str, float]:
    """What FFmpeg makes of a file: the codec, and how many seconds it really decodes."""
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.audio[0]
        samples = sum(frame.samples for frame in container.decode(stream))
        return stream.codec_context.name, samples / stream.rate


def cues(data: bytes) -> list[tuple[float, str]]:
    """Beginning, seconds, and text of each subtitle, as FFmpeg finds them."""
    with av.open(io.BytesIO(data)) as container:
        packets = [packet for packet in container.demux() if packet.size]
        return [(float((packet.pts or 0) * packet.time_base), bytes(packet).decode()) for packet in packets]


def _subtitles(data: bytes) -> str:
    return "\n".join(text for _, text in cues(data))


def _table(data: bytes) -> str:
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))
    assert len({len(row) for row in rows}) == 1
    return "\n".join(" ".join(row) for row in rows)


def _everything(data: bytes) -> str:
    return json.dumps(json.loads(data), ensure_ascii=False)


def _printed(data: bytes) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(data)).pages)


def _written(data: bytes) -> str:
    return "\n".join(paragraph.text for paragraph in Document(io.BytesIO(data)).paragraphs)


TEXTS: dict[str, Callable[[bytes], str]] = {
    "txt": bytes.decode, "md": bytes.decode, "srt": _subtitles, "vtt": _subtitles, "csv": _table, "json": _everything,
    "pdf": _printed, "docx": _written,
}  # fmt: skip
"""All that is written in a transcript, by its format."""
