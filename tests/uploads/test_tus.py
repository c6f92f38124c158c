"""Files come in parts, whatever happens on the way: cut off, sent twice, changed, too large, never finished."""

from __future__ import annotations

import asyncio
import errno
import json
import os
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from server.app import Server
from server.store.uploads import UploadState
from server.uploads import receiving
from server.uploads.folders import UploadFolders
from tests.uploads.tus_client import PART, TUS, checksum, create, metadata, offset, patch, send, upload
from tests.web.test_captions import ask
from tests.web.test_events import subscribe
from tests.web.test_live_captions import Page
from tests.web.test_routes import problem

DATA = os.urandom(300_000)


def folders(server: Server) -> list[str]:
    return sorted(path.name for path in server.settings.uploads_dir.iterdir())


def kept(server: Server, upload_id: str) -> bytes:
    return server.services.uploads.folders.content(upload_id).read_bytes()


async def begin_part(server: Server, place: str, count: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Announce all of DATA as one part, and send the first `count` bytes of it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    head = f"PATCH {place} HTTP/1.1\r\nHost: 127.0.0.1\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n"
    writer.write(f"{head}Content-Type: {PART}\r\nContent-Length: {len(DATA)}\r\n\r\n".encode() + DATA[:count])
    await writer.drain()
    return reader, writer


async def test_the_server_says_what_it_can(server: Server, http: aiohttp.ClientSession) -> None:
    async with http.options("/api/v1/uploads") as response:
        assert response.status == 204
        told = response.headers
    assert (told["Tus-Version"], told["Tus-Resumable"]) == ("1.0.0", "1.0.0")
    assert set(told["Tus-Extension"].split(",")) == {"creation", "expiration", "checksum", "termination"}
    assert int(told["Tus-Max-Size"]) == 2048 << 20
    assert "sha1" in told["Tus-Checksum-Algorithm"].split(",")


async def test_a_file_comes_in_parts_and_is_looked_at(server: Server, http: aiohttp.ClientSession) -> None:
    socket = Page(await subscribe(http, "uploads"))
    options = json.dumps({"language": "en", "speakers": 2, "access": "public"})
    place = await create(http, len(DATA), filename="../../évasion \x07<b>.wav", batch="monday", options=options)
    upload_id = place.split("/")[-2]
    assert await offset(http, place) == 0
    async with patch(http, place, 0, DATA[:100_000]) as response:
        assert (response.status, response.headers["Upload-Offset"]) == (204, "100000")
        assert response.headers["Upload-Expires"].endswith("GMT")
    shown = await ask(http, "GET", f"/api/v1/uploads/{upload_id}")
    assert (shown["state"], shown["received"], shown["size"]) == ("receiving", 100_000, 300_000)
    assert shown["name"] == "évasion <b>.wav"  # a name is text, and never a path
    assert (shown["batch"], shown["options"]["speakers"], shown["options"]["access"]) == ("monday", 2, "public")
    await send(http, place, DATA)
    assert kept(server, upload_id) == DATA
    assert folders(server) == [upload_id]
    shown = (await ask(http, "GET", "/api/v1/uploads?batch=monday"))["items"][0]
    assert (shown["state"], shown["job"]["kind"], shown["job"]["position"]) == ("received", "diagnose", 1)
    told = await socket.until(lambda event: event["type"] == "upload_updated" and event["data"]["state"] == "received")
    assert told["data"]["id"] == upload_id
    async with patch(http, place, len(DATA), b"") as response:
        assert (await problem(response, 409))["code"] == "upload-over"


async def test_what_came_before_the_line_was_cut_is_kept_and_gone_on_with(
    server: Server, http: aiohttp.ClientSession
) -> None:
    place = await create(http, len(DATA), filename="a.wav")
    upload_id = place.split("/")[-2]
    _, writer = await begin_part(server, place, 120_000)
    while server.services.uploads._receiver.heard(upload_id) < 50_000:
        await asyncio.sleep(0.01)
    writer.transport.abort()
    while server.services.uploads._receiver.receiving(upload_id):
        await asyncio.sleep(0.01)
    at = await offset(http, place)
    assert 50_000 <= at <= 120_000
    await send(http, place, DATA)
    assert kept(server, upload_id) == DATA


async def test_an_upload_goes_on_after_the_server_was_started_anew(start: Callable[..., Any]) -> None:
    first: Server = await start()
    async with aiohttp.ClientSession(f"http://127.0.0.1:{first.port}") as http:
        place = await create(http, len(DATA), filename="a.wav")
        async with patch(http, place, 0, DATA[:77_777]) as response:
            assert response.status == 204
    # As if it had been killed after it wrote and before it said so.
    with first.services.uploads.folders.content(place.split("/")[-2]).open("ab") as file:
        file.write(b"never acknowledged")
    await first.close()
    second: Server = await start()
    async with aiohttp.ClientSession(f"http://127.0.0.1:{second.port}") as http:
        assert await offset(http, place) == 77_777
        await send(http, place, DATA)
    assert kept(second, place.split("/")[-2]) == DATA


async def test_parts_at_the_wrong_place_or_two_at_once_are_refused(server: Server, http: aiohttp.ClientSession) -> None:
    place = await create(http, len(DATA), filename="a.wav")
    async with patch(http, place, 5, b"late") as response:
        assert (await problem(response, 409))["code"] == "wrong-offset"
    going = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield DATA[:1000]
        await going.wait()
        yield DATA[1000:2000]

    async def first() -> int:
        async with patch(http, place, 0, slowly()) as response:
            return response.status

    sending = asyncio.create_task(first())
    while not server.services.uploads._receiver.receiving(place.split("/")[-2]):
        await asyncio.sleep(0.01)
    async with patch(http, place, 0, b"x") as response:
        assert (await problem(response, 423))["code"] == "upload-locked"
    going.set()
    assert await sending == 204
    await send(http, place, DATA)
    assert kept(server, place.split("/")[-2]) == DATA


async def test_whoever_asks_after_a_silent_part_may_go_on(
    server: Server, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A phone that changed its network is back long before its old connection is known to be dead."""
    monkeypatch.setattr(receiving, "QUIET_S", 0.0)
    place = await create(http, len(DATA), filename="a.wav")
    head = {**TUS, "Host": "127.0.0.1", "Upload-Offset": "0", "Content-Type": PART, "Content-Length": str(len(DATA))}
    lines = [f"PATCH {place} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items()), "", ""]
    answers, old = await asyncio.open_connection("127.0.0.1", server.port)
    old.write("\r\n".join(lines).encode() + DATA[:150_000])
    answer = asyncio.create_task(answers.readline())
    while not server.services.uploads._receiver.heard(place.split("/")[-2]):
        await asyncio.sleep(0.01)
    while not answer.done():  # each question ends the silent part
        await offset(http, place)
        await asyncio.sleep(0.02)
    assert b" 408 " in await answer
    old.write(DATA[150_000:])  # too late
    old.close()
    assert 0 < await offset(http, place) <= 150_000
    await send(http, place, DATA)
    assert kept(server, place.split("/")[-2]) == DATA


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "md5"])
async def test_of_a_part_whose_checksum_differs_nothing_is_kept(
    server: Server, http: aiohttp.ClientSession, algorithm: str
) -> None:
    place = await create(http, len(DATA), filename="a.wav")
    async with patch(http, place, 0, DATA[:50_000], **checksum(DATA[:50_000], algorithm)) as response:
        assert response.status == 204
    async with patch(http, place, 50_000, b"not what was meant", **checksum(DATA, algorithm)) as response:
        assert (await problem(response, 460))["code"] == "checksum-mismatch"
    assert await offset(http, place) == 50_000
    assert kept(server, place.split("/")[-2]) == DATA[:50_000]


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 412, "tus-version"),
        ({"Tus-Resumable": "0.2.2", "Upload-Length": "9"}, 412, "tus-version"),
        (TUS, 400, "invalid-request"),
        ({**TUS, "Upload-Length": "-1"}, 400, "invalid-request"),
        ({**TUS, "Upload-Length": "٣"}, 400, "invalid-request"),
        ({**TUS, "Upload-Length": "0"}, 400, "empty"),
        ({**TUS, "Upload-Defer-Length": "1"}, 400, "length-unknown"),
        ({**TUS, "Upload-Length": str((2048 << 20) + 1)}, 413, "too-large"),
        ({**TUS, "Upload-Length": "9", "Upload-Metadata": "filename ???"}, 400, "invalid-request"),
        ({**TUS, "Upload-Length": "9", "Upload-Metadata": metadata(options="[1")}, 400, "invalid-options"),
        ({**TUS, "Upload-Length": "9", "Upload-Metadata": metadata(options='{"foo": 1}')}, 400, "invalid-options"),
        ({**TUS, "Upload-Length": "9", "Upload-Metadata": metadata(batch="a/b")}, 400, "invalid-request"),
    ],
)  # fmt: skip
async def test_what_cannot_be_announced_is_refused_in_words(
    server: Server, http: aiohttp.ClientSession, headers: dict[str, str], status: int, code: str
) -> None:
    async with http.post("/api/v1/uploads", headers=headers) as response:
        assert (await problem(response, status))["code"] == code
        assert status != 412 or response.headers["Tus-Version"] == "1.0.0"
    assert folders(server) == []


async def test_more_than_was_announced_is_refused_and_not_kept(server: Server, http: aiohttp.ClientSession) -> None:
    place = await create(http, 1000, filename="a.wav")
    async with patch(http, place, 0, b"x" * 1001) as response:
        assert (await problem(response, 413))["code"] == "too-large"

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield b"y" * 100

    async with patch(http, place, 0, endless()) as response:
        assert (await problem(response, 413))["code"] == "too-large"
    assert await offset(http, place) == 0
    async with http.patch(place, headers={**TUS, "Upload-Offset": "0"}, data=b"x") as response:
        assert (await problem(response, 415))["code"] == "unsupported-type"


async def test_a_full_disk_is_told_and_what_came_is_gone_on_with(
    server: Server, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = await create(http, 3 << 20, filename="a.wav")
    data = os.urandom(3 << 20)
    real = UploadFolders.write

    def full(folders: UploadFolders, upload_id: str, at: int, piece: bytes) -> None:
        if at >= 2 << 20:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(folders, upload_id, at, piece)

    monkeypatch.setattr(UploadFolders, "write", full)
    async with patch(http, place, 0, data) as response:
        assert (await problem(response, 507))["code"] == "disk-full"
    monkeypatch.setattr(UploadFolders, "write", real)
    assert 1 << 20 <= await offset(http, place) < 3 << 20
    await send(http, place, data)
    assert kept(server, place.split("/")[-2]) == data


async def test_no_room_is_told_before_a_byte_is_sent(
    server: Server, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(UploadFolders, "free", lambda folders: 1000)
    headers = {**TUS, "Upload-Length": "2000", "Upload-Metadata": metadata(filename="a.wav")}
    async with http.post("/api/v1/uploads", headers=headers) as response:
        assert (await problem(response, 507))["code"] == "disk-full"


async def test_an_upload_that_is_given_up_leaves_nothing(server: Server, http: aiohttp.ClientSession) -> None:
    place = await create(http, len(DATA), filename="a.wav")
    async with patch(http, place, 0, DATA[:1000]) as response:
        assert response.status == 204
    async with http.delete(place, headers=TUS) as response:
        assert response.status == 204
    async with http.head(place, headers=TUS) as response:
        assert response.status == 404
    async with patch(http, place, 1000, b"x") as response:
        await problem(response, 404)
    assert folders(server) == []
    whole = await upload(http, DATA)
    await ask(http, "DELETE", f"/api/v1/uploads/{whole}", status=204)
    assert folders(server) == []
    assert (await ask(http, "GET", f"/api/v1/jobs?subject={whole}"))["items"][0]["state"] == "cancelled"


async def test_what_does_not_go_on_expires_and_so_do_folders_of_nobody(
    server: Server, http: aiohttp.ClientSession
) -> None:
    old = (await create(http, len(DATA), filename="old.wav")).split("/")[-2]
    young = (await create(http, len(DATA), filename="young.wav")).split("/")[-2]
    table, now = server.services.store.uploads, server.services.clock.wall()
    await table.change(old, now - timedelta(hours=25))
    await asyncio.to_thread(server.services.uploads.folders.begin, "orphan")
    await server.services.uploads.tidy()
    assert folders(server) == [young]
    assert [item.id for item in (await table.page("local")).items] == [young]
    await table.change(young, now - timedelta(days=8), received=len(DATA), state=UploadState.DONE.value)
    await server.services.uploads.tidy()
    assert folders(server) == []  # the row stays: it says what became of the file
    assert ((await table.get(young)).state, (await table.get(young)).received) == (UploadState.DONE, 0)


async def test_where_the_queue_is_full_a_file_waits_to_be_looked_at(start: Callable[..., Any]) -> None:
    server: Server = await start(jobs_queue=1)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as http:
        await upload(http, DATA[:10], "first.wav")
        second = await upload(http, DATA[:20], "second.wav")
        shown = await ask(http, "GET", f"/api/v1/uploads/{second}")
        assert shown["state"] == "received" and "Too many jobs" in shown["detail"] and shown["job"] is None
        job = (await ask(http, "GET", "/api/v1/jobs"))["items"][0]
        await ask(http, "POST", f"/api/v1/jobs/{job['id']}/cancel")
        await server.services.uploads.look_at_waiting()
        assert (await ask(http, "GET", f"/api/v1/uploads/{second}"))["job"]["kind"] == "diagnose"
