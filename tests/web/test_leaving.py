"""Taking one's data along, and leaving: all of it, and nothing half done."""

from __future__ import annotations

import asyncio
import io
import json
import os
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from server.recordings import export as exporting
from server.speech.captions import Caption
from server.store.captions import CaptionBatch
from server.store.people_records import Access, AccessRule
from server.store.records import Recording, RecordingState, StoredStream
from tests.people import PASSWORD, Person, Town, town
from tests.store.rows import caption
from tests.web.test_account import send


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Town]:
    async with town(tmp_path / "data") as running:
        yield running


async def record(place: Town, person: Person, stream_id: str, said: tuple[Caption, ...] = ()) -> Path:
    """Write a finished recording of somebody down; the folder of its files."""
    services = place.services
    channel = await services.store.users.channel(person.id)
    now = services.clock.wall()
    stream = StoredStream(
        stream_id, channel.id, person.id, channel.host, "Talk", "ended", now, now, "left", 48_000, recorded=True
    )
    await services.store.save_stream(stream)
    await services.store.save_recording(
        Recording(stream_id, stream_id, "Talk", "", "", "", "", now, RecordingState.READY.value, "", 48_000)
    )
    await services.store.access.put(("recording", stream_id), AccessRule(Access.PUBLIC))
    if said:
        await services.store.captions.save(CaptionBatch({stream_id: list(said)}))
    folder: Path = services.library.files.audio(stream_id).parent

    def write() -> None:
        folder.mkdir(parents=True)
        (folder / "clean.opus").write_bytes(b"OggS" + os.urandom(1_000_000))

    await asyncio.to_thread(write)
    return folder


async def befriend(place: Town, one: Person, other: Person) -> None:
    now = place.services.clock.wall()
    await place.services.store.friends.ask(one.id, other.id, now)
    await place.services.store.friends.accept(other.id, one.id, now)


async def forgotten(place: Town, person: Person) -> None:
    """Wait until nothing is left of somebody."""
    async with asyncio.timeout(30):
        while await place.services.store.users.credentials(user_id=person.id) is not None:
            await asyncio.sleep(0.02)


async def rows_left(place: Town, person: Person) -> dict[str, list[Any]]:
    everything = await place.services.store.belongings.everything(person.id)
    return {name: rows for name, rows in everything.items() if rows and name != "audit"}


async def test_whoever_leaves_is_gone_with_everything_and_others_keep_theirs(place: Town) -> None:
    anna, ben = await place.add("anna"), await place.add("ben", email="ben@example.org")
    await befriend(place, anna, ben)
    folder, kept = await record(place, ben, "bens", (caption(1),)), await record(place, anna, "annas")
    elsewhere = await place.again(ben)
    told: list[tuple[str, str]] = []
    place.services.endings.subscribe(lambda user, credential: told.append((user, credential)))
    assert (await send(ben.http, "POST", "/api/v1/account/delete", 403, json={"password": "x"}))["code"] == (
        "wrong-password"
    )
    await send(ben.http, "POST", "/api/v1/account/delete", 204, json={"password": PASSWORD})
    assert (ben.id, "") in told
    for http in (ben.http, elsewhere.http):
        await send(http, "GET", "/api/v1/me", 401)
    assert (await place.services.circles.of(anna.id)).friends == frozenset()
    wrong = {"name": "ben", "password": PASSWORD}
    await send(await place.client(), "POST", "/api/v1/auth/sign-in", 401, json=wrong)
    await forgotten(place, ben)
    assert await rows_left(place, ben) == {}
    assert await place.services.store.captions.all("bens", "live") == []
    assert not await asyncio.to_thread(folder.exists)
    assert await asyncio.to_thread(kept.exists)
    assert (await place.services.store.recording("annas")).owner == anna.id
    await place.services.audit.settle()
    lines = (await place.services.store.audit.page(actor=ben.id)).items
    assert lines and {item.actor_name for item in lines} <= {""}
    again = await place.add("ben", email="ben@example.org")
    assert again.id != ben.id and again.channel == "ben"


async def test_whoever_leaves_while_live_ends_their_stream_first(place: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    await place.add("anna")
    ben = await place.add("ben")
    folder = await record(place, ben, "bens")
    services, done = place.services, []
    await services.store.change_recording("bens", state=RecordingState.RECORDING.value)
    live = [SimpleNamespace(id="bens", principal=ben.id), SimpleNamespace(id="annas", principal="somebody")]

    async def end(stream_id: str, _reason: str) -> None:
        done.append("ended")
        live[:] = [stream for stream in live if stream.id != stream_id]
        assert await asyncio.to_thread(folder.exists)
        await services.store.change_recording("bens", state=RecordingState.READY.value)

    remove = services.library.files.remove
    monkeypatch.setattr(services.media, "streams", lambda: live)
    monkeypatch.setattr(services.media, "end", end)
    monkeypatch.setattr(services.library.files, "remove", lambda found: (done.append("removed"), remove(found)))
    await send(ben.http, "POST", "/api/v1/account/delete", 204, json={"password": PASSWORD})
    await forgotten(place, ben)
    assert done == ["ended", "removed"]
    assert [stream.id for stream in live] == ["annas"]
    assert not await asyncio.to_thread(folder.exists)


async def test_leaving_that_was_interrupted_is_finished_at_the_next_start(tmp_path: Path) -> None:
    async with town(tmp_path / "data") as place:
        anna, ben = await place.add("anna"), await place.add("ben")
        folder = await record(place, ben, "bens")
        await place.services.store.belongings.leave(ben.id, place.services.clock.wall())  # and then the power went
        assert await asyncio.to_thread(folder.exists)
    async with town(tmp_path / "data") as place:
        assert await place.services.store.users.credentials(user_id=ben.id) is None
        assert await rows_left(place, ben) == {}
        assert not await asyncio.to_thread(folder.exists)
        assert (await place.services.store.users.get(anna.id)).administrator
        assert (await place.services.store.recordings()).total == 0  # and nothing was recovered of it


async def test_files_that_cannot_be_removed_keep_their_rows(place: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    await place.add("anna")
    ben = await place.add("ben")
    await record(place, ben, "bens")
    tried = asyncio.Event()
    loop = asyncio.get_running_loop()

    def refuse(_recording_id: str) -> None:
        loop.call_soon_threadsafe(tried.set)
        raise OSError("read-only")

    monkeypatch.setattr(place.services.library.files, "remove", refuse)
    await send(ben.http, "POST", "/api/v1/account/delete", 204, json={"password": PASSWORD})
    await asyncio.wait_for(tried.wait(), 30)
    assert await place.services.store.belongings.leaving() == [ben.id]
    assert list(await place.services.store.belongings.recordings(ben.id)) == ["bens"]


async def test_the_only_administrator_stays_while_there_are_others(place: Town) -> None:
    anna, ben = await place.add("anna"), await place.add("ben")
    path, sure = "/api/v1/account/delete", {"password": PASSWORD}
    assert (await send(anna.http, "POST", path, 409, json=sure))["code"] == "last-administrator"
    assert (await place.read(anna.http))["id"] == anna.id
    await send(ben.http, "POST", path, 204, json=sure)
    await forgotten(place, ben)
    await send(anna.http, "POST", path, 204, json=sure)
    await forgotten(place, anna)


async def test_once_nobody_is_left_the_first_account_can_be_made_again(place: Town) -> None:
    """By who sits at the machine, or has the link that is told then: it is another one than before."""
    anna = await place.add("anna")
    told: list[str] = []
    place.services.first.announce(told.append)
    path, sure = "/api/v1/account/delete", {"password": PASSWORD}
    await send(anna.http, "POST", path, 204, json=sure)
    await forgotten(place, anna)
    async with asyncio.timeout(30):
        while not told:
            await asyncio.sleep(0.01)
    nobody = await place.client(headers={"X-Forwarded-For": "192.0.2.1"})  # not at the machine itself
    assert (await send(nobody, "GET", "/api/v1/auth"))["first"]
    wanted = {"name": "ben", "password": PASSWORD}
    await send(nobody, "POST", "/api/v1/auth/first", 403, json={**wanted, "token": "cc_f_wrong"})
    page, _, token = told[0].partition("?token=")
    assert page == "/first"
    assert (await send(nobody, "POST", "/api/v1/auth/first", 201, json={**wanted, "token": token}))["administrator"]
    assert not (await send(nobody, "GET", "/api/v1/auth"))["first"]
    await place.add("cleo")
    await send(nobody, "POST", "/api/v1/auth/first", 409, json={**wanted, "token": token})


async def test_everything_is_taken_along_and_no_secret(place: Town) -> None:
    anna, ben = await place.add("anna", email="anna@example.org"), await place.add("ben")
    await befriend(place, anna, ben)
    folder = await record(place, anna, "annas", (caption(1), caption(2)))
    await record(place, ben, "bens")
    data = await send(anna.http, "GET", "/api/v1/account/export")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        names = set(archive.namelist())
        assert {"README.txt", "recordings/annas/clean.opus", "recordings/annas/captions-live.vtt"} <= names
        assert not [name for name in names if "bens" in name or name.startswith(("/", ".."))]
        tables = {
            name[len("account/") : -len(".json")]: json.loads(archive.read(name))
            for name in names
            if name.endswith(".json") and name.startswith("account/")
        }
        assert archive.read("recordings/annas/clean.opus") == await asyncio.to_thread(
            (folder / "clean.opus").read_bytes
        )
        assert b"WEBVTT" in archive.read("recordings/annas/captions-live.vtt")
    (user,) = tables["users"]
    assert (user["name"], user["email"]) == ("anna", "anna@example.org")
    assert [row["id"] for row in tables["recordings"]] == ["annas"]
    assert len(tables["friendships"]) == len(tables["sessions"]) == 1
    text = json.dumps(tables)
    assert "argon2" not in text and "hash" not in text and anna.cookie not in text


async def test_few_are_made_at_once_and_whoever_goes_away_leaves_room(place: Town) -> None:
    anna = await place.add("anna")
    exports = place.services.exports
    begun = [exports.zip_of(anna.id) for _ in range(exporting.AT_ONCE)]
    for parts in begun:
        await anext(parts)
    await send(anna.http, "GET", "/api/v1/account/export", 503)
    for parts in begun:
        await parts.aclose()
    assert exports.busy == 0
    await send(anna.http, "GET", "/api/v1/account/export")
