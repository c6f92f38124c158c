"""What goes wrong with uploads in a whole server: bad files, a full disk beside a live stream, cancelled midway."""

from __future__ import annotations

import asyncio
import errno
import json
import os
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from server.app import Server
from server.cli import main
from server.client.whip import Publication
from server.recordings.files import RecordingFolders
from server.store.uploads import UploadState
from server.uploads.folders import UploadFolders
from server.uploads.track import Track
from server.uploads.verify import verify_uploads
from tests.uploads.test_decoder import video
from tests.uploads.test_journey import UPLOADS, see
from tests.uploads.test_tus import begin_part
from tests.uploads.tus_client import create, patch, send, upload
from tests.uploads.workshop import LONGEST_S, Workshop, tone
from tests.web.test_captions import ask
from tests.web.test_events import subscribe
from tests.web.test_live_captions import Page
from tests.web.test_routes import problem
from tests.web.test_streams import talking

pytestmark = pytest.mark.allow_blocking  # jobs are done here on the server's loop; they have a process of their own

SOUND = tone()


@pytest.fixture
def shop(server: Server) -> Workshop:
    return Workshop(server)


async def test_what_is_no_sound_is_told_in_words_and_leaves_nothing(
    http: aiohttp.ClientSession, shop: Workshop, tmp_path: Path
) -> None:
    bad = {
        "talk.mp3": (b"This is no sound at all. " * 99, "no audio file"),
        "cut.wav": (SOUND[:40], "no audio file|sound|heard"),
        "picture.mp4": (video(tmp_path / "v.mp4", sound=False).read_bytes(), "no sound in this file"),
        "bomb.wav": (tone(LONGEST_S + 1, 0.0), "longer than"),
    }
    ids = {name: await upload(http, data, name) for name, (data, _) in bad.items()}
    ids["really.pdf"] = await upload(http, SOUND, "really.pdf")
    await shop.all()
    for name, (_, words) in bad.items():
        shown = await see(http, ids[name])
        assert shown["state"] == "failed" and shown["recording_id"] is None
        assert any(part in shown["detail"] for part in words.split("|")), shown["detail"]
    assert (await see(http, ids["really.pdf"]))["state"] == "done"
    assert shop.uploads() == [ids["really.pdf"]] and len(shop.recordings()) == 1
    assert (await ask(http, "GET", "/api/v1/account/storage"))["uploads_bytes"] == len(SOUND)


async def test_an_upload_that_is_cancelled_while_it_comes_leaves_nothing(
    server: Server, http: aiohttp.ClientSession, shop: Workshop
) -> None:
    place = await create(http, 300_000, filename="a.wav")
    upload_id = place.split("/")[-2]
    reader, writer = await begin_part(server, place, 100_000)
    while not server.services.uploads._receiver.heard(upload_id):
        await asyncio.sleep(0.01)
    await ask(http, "DELETE", f"{UPLOADS}/{upload_id}", status=204)
    writer.write(os.urandom(200_000))
    assert b" 404 " in await asyncio.wait_for(reader.readline(), 20)
    writer.close()
    assert shop.uploads() == []


async def test_an_upload_that_is_removed_while_a_recording_is_made_leaves_nothing(
    http: aiohttp.ClientSession, shop: Workshop
) -> None:
    upload_id = await upload(http, SOUND, "a.wav")
    await shop.do("diagnose")
    reached, go_on = asyncio.Event(), asyncio.Event()
    clean = shop.denoiser.clean

    async def slow(*given: Any) -> Any:
        reached.set()
        await go_on.wait()
        return await clean(*given)

    shop.denoiser.clean = slow  # type: ignore[method-assign]
    library = Page(await subscribe(http, "recordings"))
    working = asyncio.create_task(shop.do("upload"))
    await reached.wait()
    recording_id = (await see(http, upload_id))["recording_id"]
    await ask(http, "DELETE", f"{UPLOADS}/{upload_id}", status=204)
    told = await library.until(lambda event: event["type"] == "recording_removed")
    assert told["data"]["id"] == recording_id
    go_on.set()
    await working
    await shop.tell()
    assert (shop.uploads(), shop.recordings()) == ([], [])
    async with http.get(f"/api/v1/recordings/{recording_id}") as response:
        await problem(response, 404)
    assert (await ask(http, "GET", "/api/v1/recordings"))["total"] == 0


async def test_a_full_disk_stops_uploads_and_no_live_stream(
    server: Server, http: aiohttp.ClientSession, shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Uploads end where the reserve begins, which is the live streams' own."""
    publication = await Publication.start(f"http://127.0.0.1:{server.port}/whip/studio")
    media, stream_id = server.services.media, str(publication.stream_id)
    async with asyncio.timeout(60), talking(publication):
        while media.stream(stream_id).position < 24_000:
            await asyncio.sleep(0.02)
        made = await upload(http, SOUND, "first.wav")
        await shop.do("diagnose")
        place = await create(http, 2 << 20, filename="second.wav")
        write, track = UploadFolders.write, Track.write

        def full(*given: Any) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(UploadFolders, "write", full)
        monkeypatch.setattr(Track, "write", full)
        async with patch(http, place, 0, bytes(2 << 20)) as response:
            assert (await problem(response, 507))["code"] == "disk-full"
        await shop.do("upload")
        job = (await ask(http, "GET", f"/api/v1/jobs?subject={made}&kind=upload"))["items"][0]
        assert job["state"] == "queued" and "disk is full" in job["error"]
        at = media.stream(stream_id).position
        while media.stream(stream_id).position < at + 48_000:
            await asyncio.sleep(0.02)
        assert media.stream(stream_id).recording.on
        monkeypatch.setattr(UploadFolders, "write", write)
        monkeypatch.setattr(Track, "write", track)
        await send(http, place, bytes(2 << 20))  # there is room again
        await shop.do("upload")
        assert (await see(http, made))["state"] == "processing"
    await publication.stop()


async def test_the_folder_of_an_upload_s_recording_can_be_understood_by_itself(
    http: aiohttp.ClientSession, shop: Workshop
) -> None:
    upload_id = await upload(http, SOUND, "Morning talk.wav")
    await shop.all()
    recording_id = (await see(http, upload_id))["recording_id"]
    folder = shop.server.settings.recordings_dir / recording_id
    said = json.loads((folder / "meta.json").read_text("utf-8"))
    assert {said["stream_id"], said["origin"], said["title"]} == {recording_id, "upload", "Morning talk"}
    assert (said["position"], said["files"]) == (48_000, ["clean.opus", "raw.opus"])
    meta = RecordingFolders(folder.parent).read_meta(recording_id)
    assert (meta.title, meta.origin) == ("Morning talk", "upload") and meta.started_at is not None
    sums = json.loads((folder / "checksums.json").read_text("utf-8"))["files"]
    assert {"meta.json", "clean.opus", "raw.opus"} <= sums.keys()


async def test_verify_says_what_is_wrong_with_the_files_of_uploads(
    server: Server, http: aiohttp.ClientSession, shop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = [await upload(http, tone(0.5, 300 + number), "a.wav") for number in range(4)]
    store, folders = server.services.store, server.services.uploads.folders

    async def wrong() -> set[tuple[str, str]]:
        count, found = await verify_uploads(store, folders)
        assert count == len(ids)
        return {(problem.recording, problem.kind) for problem in found}

    assert await wrong() == set()
    folders.content(ids[0]).unlink()
    os.truncate(folders.content(ids[1]), 100)
    folders.work(ids[2]).mkdir()
    await store.uploads.change(ids[3], server.services.clock.wall(), state=UploadState.DONE.value, received=0)
    folders.begin("orphan")
    assert await wrong() == {(ids[0], "missing"), (ids[1], "length"), (ids[2], "draft"), (ids[3], "unknown-file")}
    os.utime(folders.root / "orphan", (0, 0))  # what is quite new may be somebody's who is just coming
    assert ("orphan", "no-row") in await wrong()
    assert await asyncio.to_thread(main, ["verify", "--data-dir", str(server.settings.data_dir)]) == 1
    said = capsys.readouterr().out
    assert "0 recordings and 4 uploads were looked at, 5 things are wrong." in said
    assert f"uploads/{ids[0]}/content" in said
