"""The page of a recording: trimmed, and taken along in every format, which readers that know nothing of it open."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import pytest
import pytest_asyncio
from docx import Document
from pypdf import PdfReader

from server.bench.local import local_server
from tests.e2e.album import FOLDER, Album
from tests.e2e.house import House, browse, says
from tests.e2e.kept import SHORT, TITLE, write_short_talk

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

SECONDS = 12.0
"""Of the short recording."""
SOUND = "document.getElementById('sound')"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def library(chromium_path: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A server that has a recording of twelve seconds, and a browser."""
    data = tmp_path_factory.mktemp("library") / "data"
    await write_short_talk(data, SECONDS)
    async with local_server(data, denoise="off", captions=False) as running, browse(chromium_path, None) as browser:
        yield House(running, browser)


@pytest_asyncio.fixture(loop_scope="module")
async def house(library: House) -> AsyncIterator[House]:
    yield library
    assert await library.leave() == []


async def open_recording(house: House, kept: str) -> Page:
    page = await house.visitor()
    await page.goto(f"{house.url}/recordings/{kept}")
    await page.get_by_test_id("waveform").wait_for()
    await page.get_by_test_id("transcript").locator(".cap").first.wait_for()
    return page


async def test_its_owner_trims_it_and_has_the_whole_again(house: House) -> None:
    page = await open_recording(house, SHORT)
    await page.get_by_test_id("more").click()
    await page.get_by_test_id("trim").click()
    for _ in range(3):
        await page.get_by_test_id("trim-start").press("ArrowRight")
    await page.get_by_test_id("trim-end").press("ArrowLeft")
    await says(page.get_by_test_id("trim-told"), "^From 0:03 to 0:11: 0:08 ")
    await page.get_by_test_id("trim-save").click()
    await page.wait_for_function(f"() => Math.abs({SOUND}.duration - 8) < 0.1")
    await says(page.get_by_test_id("player-time"), "^0:00 / 0:08$")
    await page.get_by_test_id("more").click()
    await page.get_by_test_id("trim").click()
    await page.get_by_test_id("trim-all").click()
    await page.wait_for_function(f"() => Math.abs({SOUND}.duration - 12) < 0.1")


async def test_it_is_taken_along_in_every_format(house: House, tmp_path: Path, album: Album) -> None:
    page = await open_recording(house, SHORT)
    await page.get_by_test_id("downloads").click()
    if FOLDER:
        await album.take(page, "recording-downloads")
    for sound, codec in {
        "download": "opus",
        "download-mp3": "mp3",
        "download-m4a": "aac",
        "download-flac": "flac",
        "download-wav": "pcm",
    }.items():
        taken = await take(page, sound, tmp_path)
        assert "„Kruste“" in taken.name, taken.name
        assert "パン" in taken.name, taken.name
        name, seconds = heard(taken.read_bytes())
        assert name.startswith(codec), (sound, name)
        assert seconds == pytest.approx(SECONDS, abs=0.06), sound
    await page.get_by_test_id("sound-raw").click()
    assert "noise" in (await take(page, "download", tmp_path)).name

    await page.get_by_test_id("part-some").click()
    await page.get_by_test_id("part-from").fill("0:02")
    await page.get_by_test_id("part-to").fill("5.5")
    assert heard((await take(page, "download-flac", tmp_path)).read_bytes())[1] == pytest.approx(3.5, abs=0.03)
    await page.get_by_test_id("part-all").click()
    with zipfile.ZipFile(await take(page, "tracks-flac", tmp_path)) as tracks:
        lengths = [heard(tracks.read(name))[1] for name in tracks.namelist()]
    assert lengths == pytest.approx([SECONDS] * 3, abs=0.03)
    for kind, opens in TEXTS.items():
        opens((await take(page, f"take-{kind}", tmp_path)).read_bytes())


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


def subtitles(data: bytes) -> None:
    with av.open(io.BytesIO(data)) as container:
        cues = [packet for packet in container.demux() if packet.size]
    assert len(cues) >= CAPTIONS
    assert max(float(cue.pts * cue.time_base) for cue in cues) < SECONDS


def lines(data: bytes) -> None:
    text = data.decode()
    assert len(re.findall(r"\w+", text)) > CAPTIONS * 3


def table(data: bytes) -> None:
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))
    assert len(rows) > CAPTIONS
    assert len({len(row) for row in rows}) == 1


def everything(data: bytes) -> None:
    assert TITLE in json.dumps(json.loads(data), ensure_ascii=False).replace('\\"', '"')


def printed(data: bytes) -> None:
    text = "".join(page.extract_text() for page in PdfReader(io.BytesIO(data)).pages)
    lines(text.encode())


def written(data: bytes) -> None:
    lines("\n".join(paragraph.text for paragraph in Document(io.BytesIO(data)).paragraphs).encode())


CAPTIONS = 8
TEXTS: dict[str, Any] = {
    "txt": lines,
    "md": lines,
    "srt": subtitles,
    "vtt": subtitles,
    "csv": table,
    "json": everything,
    "pdf": printed,
    "docx": written,
}
