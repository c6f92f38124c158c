"""Files on their way through a whole server, as their owners see it: once each, again, in batches, within a quota."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from server.app import Server
from tests.people import town
from tests.uploads.tus_client import TUS, create, metadata, send, upload
from tests.uploads.workshop import Workshop, tone
from tests.web.test_captions import ask
from tests.web.test_routes import problem

pytestmark = pytest.mark.allow_blocking  # jobs are done here on the server's loop; they have a process of their own

SOUND = tone()
UPLOADS = "/api/v1/uploads"


@pytest.fixture
def shop(server: Server) -> Workshop:
    return Workshop(server)


async def see(http: aiohttp.ClientSession, upload_id: str) -> Any:
    return await ask(http, "GET", f"{UPLOADS}/{upload_id}")


def wish(**values: Any) -> dict[str, str]:
    return {"options": json.dumps(values)}


async def test_of_two_identical_files_at_once_one_recording_is_made(
    http: aiohttp.ClientSession, shop: Workshop
) -> None:
    both = await asyncio.gather(upload(http, SOUND, "one.wav"), upload(http, SOUND, "two.wav"))
    await shop.all()
    first, second = [await see(http, upload_id) for upload_id in both]
    assert [first["state"], second["state"]] == ["done", "done"]
    assert first["recording_id"] == second["recording_id"] is not None
    assert sorted([first["detail"], second["detail"]]) == [
        "",
        "The same file was uploaded before: nothing was done twice.",
    ]
    assert shop.recordings() == [first["recording_id"]]
    assert len(shop.uploads()) == 1
    whole = await ask(http, "GET", f"/api/v1/recordings/{first['recording_id']}")
    files = shop.server.settings.recordings_dir / whole["id"]
    assert whole["size_bytes"] == sum((files / name).stat().st_size for name in ("clean.opus", "raw.opus"))


async def test_two_people_who_bring_the_same_file_have_a_recording_each(tmp_path: Path) -> None:
    """What others have brought is nobody's business: not even that it is here already can be seen."""
    async with town(tmp_path / "data", captions=False, rate_limits="off") as place:
        place.services.jobs._process.start = lambda: None
        shop = Workshop(place.server)
        people = [await place.add("anna"), await place.add("ben")]
        ids = await asyncio.gather(*(upload(person.http, SOUND, "talk.wav") for person in people))
        await shop.all()
        shown = [await see(person.http, upload_id) for person, upload_id in zip(people, ids, strict=True)]
        assert [(item["state"], item["detail"]) for item in shown] == [("done", ""), ("done", "")]
        assert len({item["recording_id"] for item in shown}) == 2
        assert shop.recordings() == sorted(item["recording_id"] for item in shown)


@pytest.mark.parametrize("removed", ["the one that is worked on", "the one that stands for it"])
async def test_when_one_of_two_is_removed_the_other_becomes_a_recording(
    http: aiohttp.ClientSession, shop: Workshop, removed: str
) -> None:
    """Which is looked at first is chance where there are several workers."""
    uploads = [await upload(http, SOUND, "one.wav"), await upload(http, SOUND, "two.wav")]
    await shop.do("diagnose")
    shown = [await see(http, upload_id) for upload_id in uploads]
    assert shown[0]["recording_id"] == shown[1]["recording_id"]
    [worked_on] = [item["id"] for item in shown if item["state"] == "queued"]
    gone = worked_on if removed == "the one that is worked on" else next(one for one in uploads if one != worked_on)
    [left] = [upload_id for upload_id in uploads if upload_id != gone]
    await ask(http, "DELETE", f"{UPLOADS}/{gone}", status=204)
    assert (await see(http, left))["state"] == "queued"
    await shop.all()
    last = await see(http, left)
    assert (last["state"], last["detail"]) == ("done", "")
    assert shop.recordings() == [last["recording_id"]]
    assert shop.uploads() == [left]


async def test_a_file_that_waits_for_its_owner_does_not_hold_up_the_same_one_that_does_not(
    http: aiohttp.ClientSession, shop: Workshop
) -> None:
    waits = await upload(http, SOUND, "waits.wav", **wish(start="after-check"))
    await shop.all()
    at_once = await upload(http, SOUND, "now.wav")
    await shop.all()
    assert (await see(http, waits))["state"] == "ready_to_start"
    assert (await see(http, at_once))["state"] == "done"
    third = await upload(http, SOUND, "third.wav")
    await shop.all()
    assert (await see(http, third))["recording_id"] == (await see(http, at_once))["recording_id"]
    assert len(shop.recordings()) == 1


async def test_a_file_is_run_again_with_other_options_also_when_the_first_upload_is_gone(
    http: aiohttp.ClientSession, shop: Workshop
) -> None:
    first = await upload(http, SOUND, "talk.wav")
    await shop.all()
    made = await see(http, first)
    again = {"options": {"denoise": False, "title": "As it was", "language": "de"}}
    anew = await ask(http, "POST", f"{UPLOADS}/{first}/again", again, 201)
    assert anew["id"] != first and anew["state"] == "received"
    await ask(http, "DELETE", f"{UPLOADS}/{first}", status=204)
    await shop.all()
    shown = await see(http, anew["id"])
    assert (shown["state"], shown["options"]["denoise"]) == ("done", False)
    other = await ask(http, "GET", f"/api/v1/recordings/{shown['recording_id']}")
    assert (other["title"], other["language"]) == ("As it was", "de")
    assert shop.versions(made["recording_id"]) == ["clean", "raw"]
    assert shop.versions(other["id"]) == ["clean"] and len(shop.recordings()) == 2
    await shop.services.uploads.drop_files(await shop.services.store.uploads.get(anew["id"]))
    async with http.post(f"{UPLOADS}/{anew['id']}/again", json=again) as response:
        assert (await problem(response, 409))["code"] == "file-gone"


async def test_a_file_is_looked_at_changed_and_started_by_hand(http: aiohttp.ClientSession, shop: Workshop) -> None:
    upload_id = await upload(http, SOUND, "talk.wav", **wish(start="after-check", language="en"))
    async with http.post(f"{UPLOADS}/{upload_id}/start") as response:
        assert (await problem(response, 409))["code"] == "not-ready"
    await shop.all()
    shown = await see(http, upload_id)
    assert (shown["state"], shown["recording_id"]) == ("ready_to_start", None)
    assert (shown["diagnosis"]["duration_s"], shown["diagnosis"]["channels"]) == (1.0, 1)
    assert shop.recordings() == []
    wanted = {**shown["options"], "language": "fr", "title": "Bonjour", "denoise": False}
    await ask(http, "PATCH", f"{UPLOADS}/{upload_id}", {"options": wanted})
    started = await ask(http, "POST", f"{UPLOADS}/{upload_id}/start")
    assert (started["state"], started["job"]["position"]) == ("queued", 1)
    for method, path, body in (("POST", "/start", None), ("PATCH", "", {"options": wanted})):
        async with http.request(method, f"{UPLOADS}/{upload_id}{path}", json=body) as response:
            assert (await problem(response, 409))["code"] in ("not-ready", "started")
    await shop.all()
    recording = await ask(http, "GET", f"/api/v1/recordings/{(await see(http, upload_id))['recording_id']}")
    assert (recording["title"], recording["language"]) == ("Bonjour", "fr")
    assert shop.versions(recording["id"]) == ["clean"]


async def test_of_a_batch_each_answers_for_itself(http: aiohttp.ClientSession, shop: Workshop) -> None:
    later = wish(start="after-check")
    good = [await upload(http, tone(1.0, pitch), f"{pitch}.wav", batch="monday", **later) for pitch in (300, 500)]
    bad = await upload(http, b"no sound at all" * 99, "text.wav", batch="monday", **later)
    await shop.all()
    body = {"ids": [*good, bad, "nothing", good[0]], "options": {"language": "en", "captions": False}, "start": True}
    items = (await ask(http, "POST", f"{UPLOADS}/batch", body))["items"]
    assert [(item["id"], item["code"]) for item in items] == [
        (good[0], ""), (good[1], ""), (bad, "started"), ("nothing", "unknown-upload"),
    ]  # fmt: skip
    assert all(item["error"] for item in items[2:])
    await shop.all()
    shown = (await ask(http, "GET", f"{UPLOADS}?batch=monday"))["items"]
    assert {item["id"]: item["state"] for item in shown} == {good[0]: "done", good[1]: "done", bad: "failed"}
    assert {item["options"]["language"] for item in shown if item["id"] in good} == {"en"}


async def test_what_has_arrived_counts_against_the_quota_as_long_as_it_is_kept(
    http: aiohttp.ClientSession, shop: Workshop
) -> None:
    shop.services.quotas._default = 250_000  # one file of 96 kB, and what is made of it
    first = await upload(http, SOUND, "one.wav", **wish(start="after-check"))
    await create(http, 100_000, filename="coming.wav")
    storage = await ask(http, "GET", "/api/v1/account/storage")
    assert (storage["used_bytes"], storage["uploads_bytes"]) == (len(SOUND), len(SOUND))
    for size, status in ((60_000, 507), (50_000, 201)):  # of what is announced all counts
        headers = {**TUS, "Upload-Length": str(size), "Upload-Metadata": metadata(filename="more.wav")}
        async with http.post(UPLOADS, headers=headers) as response:
            assert response.status == status, await response.text()
            if status == 507:
                assert (await response.json())["code"] == "quota"
    await shop.all()
    await ask(http, "POST", f"{UPLOADS}/{first}/start")
    await shop.all()
    made = await ask(http, "GET", f"/api/v1/recordings/{(await see(http, first))['recording_id']}")
    storage = await ask(http, "GET", "/api/v1/account/storage")
    assert storage["used_bytes"] == len(SOUND) + made["size_bytes"]
    async with http.post(f"{UPLOADS}/{first}/again", json={"options": {}}) as response:
        assert (await problem(response, 507))["code"] == "quota"
    await ask(http, "DELETE", f"{UPLOADS}/{first}", status=204)
    assert (await ask(http, "GET", "/api/v1/account/storage"))["used_bytes"] == made["size_bytes"]


NAMES = {
    "../../etc/<img src=x onerror=alert(1)>.wav": "<img src=x onerror=alert(1)>",
    "C:\\talks\\<script>Anna & Ben.mp3": "<script>Anna & Ben",
    "\x00\x1b[31mred\u202egnp.wav": "[31mredgnp",
    "..": "file",
    "a" * 400 + ".wav": "a" * 200,
}


async def test_a_name_becomes_a_title_and_never_a_path_or_markup(http: aiohttp.ClientSession, shop: Workshop) -> None:
    ids = [await upload(http, tone(0.5, 300 + number), name) for number, name in enumerate(NAMES)]
    await shop.all()
    shown = [await see(http, upload_id) for upload_id in ids]
    made = [item["recording_id"] for item in shown]
    titles = [(await ask(http, "GET", f"/api/v1/recordings/{recording_id}"))["title"] for recording_id in made]
    assert titles == list(NAMES.values())
    assert (shop.uploads(), shop.recordings()) == (sorted(ids), sorted(made))
    assert [path.name for path in shop.server.settings.data_dir.parent.iterdir()] == ["data"]
    for recording_id in made:
        async with http.get(f"/api/v1/recordings/{recording_id}/audio?format=opus&download=true") as response:
            assert response.status == 200
            said = response.headers["Content-Disposition"]
            assert said.isascii() and not set(said) & set("<>\\/\r\n")
        for path in ("recordings", "embed/recordings"):
            async with http.get(f"/{path}/{recording_id}") as response:
                assert "onerror" not in await response.text()


async def test_two_hundred_megabytes_too_many_are_refused_before_they_are_sent(
    server: Server, http: aiohttp.ClientSession
) -> None:
    largest = server.services.uploads.largest
    headers = {**TUS, "Upload-Length": str(largest + (200 << 20)), "Upload-Metadata": metadata(filename="a.wav")}
    async with http.post(UPLOADS, headers=headers) as response:
        told = await problem(response, 413)
    assert "2048 MB" in told["detail"] and "2248" in told["detail"]
    assert list(server.settings.uploads_dir.iterdir()) == []
    place = await create(http, 1000, filename="a.wav")
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    head = f"PATCH {place} HTTP/1.1\r\nHost: 127.0.0.1\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n"
    more = f"Content-Type: application/offset+octet-stream\r\nContent-Length: {2 << 20}\r\n\r\n"
    writer.write((head + more).encode())
    assert b" 413 " in await asyncio.wait_for(reader.readline(), 20)  # and not a byte was sent
    writer.write(bytes(2 << 20))  # a sender that does not listen is heard out, and nothing is kept
    writer.close()
    await send(http, place, b"x" * 1000)
