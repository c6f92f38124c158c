"""Recordings over HTTP."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

import aiohttp
import pytest

from server.app import Server
from server.store.records import Recording, StoredStream
from tests.recordings.writing import STARTED, write_recording
from tests.web.test_routes import problem


@pytest.fixture
async def kept(server: Server) -> Path:
    return await keep(server)


async def keep(server: Server) -> Path:
    """The folder of a finished recording with the id "abc"."""
    home = server.services.default_channel
    stream = StoredStream("abc", home.id, "local", "Anna", "Talk", "ended", STARTED, STARTED, recorded=True)
    await server.services.store.save_stream(stream)
    folder = write_recording(server.settings.recordings_dir, "abc", 2.0)
    write_recording(server.settings.recordings_dir, "abc", 2.0, version="raw")
    size = (folder / "clean.opus").stat().st_size
    await server.services.store.save_recording(
        Recording("abc", "abc", "Talk", "", "", "", "", STARTED, "ready", "", 96_000, size, has_raw=True)
    )
    return folder


async def test_a_recording_is_listed_with_all_that_a_page_needs(http: aiohttp.ClientSession, kept: Path) -> None:
    async with http.get("/api/v1/recordings") as response:
        body = await response.json()
    assert (body["total"], body["next"]) == (1, None)
    assert body["items"][0] == {
        "id": "abc",
        "stream_id": "abc",
        "title": "Talk",
        "host": "Anna",
        "channel": {"slug": "studio", "name": "Studio"},
        "description": "",
        "origin": "live",
        "language": None,
        "created_at": "2026-11-03T12:00:00.000Z",
        "duration_s": 2.0,
        "plays_s": 2.0,
        "trim": None,
        "size_bytes": (kept / "clean.opus").stat().st_size,
        "state": "ready",
        "detail": "",
        "audio_url": "/api/v1/recordings/abc/audio",
        "raw_url": "/api/v1/recordings/abc/audio?version=raw",
        "download_url": "/api/v1/recordings/abc/audio?download=1",
        "peaks_url": "/api/v1/recordings/abc/peaks",
        "spectrogram_url": "/api/v1/recordings/abc/spectrogram",
        "binned_at": None,
        "gone_at": None,
        "owner": {"id": "local", "display_name": "Anna"},
        "access": None,
    }
    async with http.get("/api/v1/recordings/abc") as response:
        assert await response.json() == {**body["items"][0], "speakers": [], "facts": None}


async def test_audio_comes_whole_and_in_ranges(http: aiohttp.ClientSession, kept: Path) -> None:
    data = (kept / "clean.opus").read_bytes()
    async with http.get("/api/v1/recordings/abc/audio") as response:
        assert await response.read() == data
        assert response.content_type == "audio/ogg"
        assert response.headers["Accept-Ranges"] == "bytes"
        assert "Content-Disposition" not in response.headers
        etag = response.headers["ETag"]
    cases = {
        "bytes=0-99": data[:100],
        "bytes=100-": data[100:],
        "bytes=-50": data[-50:],
        f"bytes=10-{len(data) * 2}": data[10:],
    }
    for asked, expected in cases.items():
        headers = {"Range": asked, "If-Range": etag}
        async with http.get("/api/v1/recordings/abc/audio", headers=headers) as response:
            assert response.status == 206, asked
            assert await response.read() == expected
            assert response.headers["Content-Range"].endswith(f"/{len(data)}")
    async with http.get("/api/v1/recordings/abc/audio", headers={"Range": f"bytes={len(data)}-"}) as response:
        assert (response.status, response.content_type) == (416, "application/problem+json")
        assert response.headers["Content-Range"] == f"bytes */{len(data)}"
    async with http.get("/api/v1/recordings/abc/audio", headers={"If-None-Match": etag}) as response:
        assert response.status == 304
    async with http.head("/api/v1/recordings/abc/audio") as response:
        assert response.headers["Content-Length"] == str(len(data))


@pytest.mark.parametrize(
    "title",
    ["Über „Tön“", "你好，世界", "שלום", "🎙 a/b: 50%", "x" * 200],
    ids=["latin", "han", "hebrew", "signs", "long"],
)
async def test_downloads_are_named_after_their_title(http: aiohttp.ClientSession, kept: Path, title: str) -> None:
    async with http.patch("/api/v1/recordings/abc", json={"title": title}) as response:
        assert response.status == 200
        assert (await response.json())["title"] == title
    async with http.get("/api/v1/recordings/abc/audio?download=1") as response:
        value = response.headers["Content-Disposition"]
    assert value.startswith("attachment; ")
    name = unquote(value.split("filename*=UTF-8''")[1])
    assert name.endswith(".opus")
    assert name[0] == title[0]
    assert not set('/\\:*?"<>|') & set(name)


@pytest.mark.parametrize(
    "title",
    ["", "   ", "x" * 201, "語" * 3_400, "a\nb", "a\x00b", "\ud800"],
    ids=["empty", "blank", "long", "10 kB", "lines", "nul", "half"],
)
async def test_titles_that_are_none(http: aiohttp.ClientSession, kept: Path, title: str) -> None:
    async with http.patch("/api/v1/recordings/abc", json={"title": title}) as response:
        await problem(response, 400)
    async with http.get("/api/v1/recordings/abc") as response:
        assert (await response.json())["title"] == "Talk"


async def test_the_raw_version_and_the_drawing(http: aiohttp.ClientSession, kept: Path) -> None:
    async with http.get("/api/v1/recordings/abc/audio?version=raw") as response:
        assert await response.read() == (kept / "raw.opus").read_bytes()
    async with http.get("/api/v1/recordings/abc/audio?version=../../clearcast") as response:
        await problem(response, 400)
    async with http.get("/api/v1/recordings/abc/peaks") as response:
        body = await response.json()
    assert body["step_s"] * len(body["peaks"]) == pytest.approx(2.0, abs=0.05)
    (kept / "raw.opus").unlink()
    async with http.get("/api/v1/recordings/abc/audio?version=raw") as response:
        assert (await problem(response, 404))["code"] == "no-audio"


async def test_deleting_is_undone_by_restoring_and_pages_are_told(http: aiohttp.ClientSession, kept: Path) -> None:
    page = await http.ws_connect("/api/v1/events")
    await page.send_json({"type": "subscribe", "topics": [{"topic": "recordings"}]})
    assert len((await page.receive_json(timeout=30))["data"]["items"]) == 1
    async with http.delete("/api/v1/recordings/abc") as response:
        assert (response.status, await response.read()) == (204, b"")
    for path in ("", "/audio", "/peaks"):
        async with http.get(f"/api/v1/recordings/abc{path}") as response:
            await problem(response, 404)
    async with http.post("/api/v1/recordings/abc/restore") as response:
        assert (await response.json())["id"] == "abc"
    async with http.get("/api/v1/recordings/abc/audio") as response:
        assert response.status == 200
    told = [(await page.receive_json(timeout=30))["type"] for _ in range(2)]
    assert told == ["recording_removed", "recording_updated"]
    await page.close()
