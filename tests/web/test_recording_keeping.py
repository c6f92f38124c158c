"""What an owner says of a recording, how much of it is played, and how it goes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from server.app import Server
from server.errors import QuotaReached
from server.recordings.facts import DenoiseSpan, Facts, Gap, Loudness, ModelUsed
from server.recordings.quota import Quotas
from server.recordings.tidy import tidy
from server.speech.speakers import SpeakerName
from server.store.captions import CaptionBatch
from tests.store.rows import caption
from tests.web.test_recordings import keep
from tests.web.test_routes import problem

AT = "/api/v1/recordings/abc"


@pytest.fixture
async def kept(server: Server) -> Path:
    return await keep(server)


async def change(http: aiohttp.ClientSession, **wanted: object) -> Any:
    async with http.patch(AT, json=wanted) as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def listed(http: aiohttp.ClientSession, **query: str) -> list[Any]:
    async with http.get("/api/v1/recordings", params=query) as response:
        assert response.status == 200
        items: list[Any] = (await response.json())["items"]
        return items


async def test_what_is_said_of_a_recording_stays(http: aiohttp.ClientSession, kept: Path) -> None:
    assert (await change(http, description="Two lines:\nthis is one."))["title"] == "Talk"
    changed = await change(http, title="Another", language="DE")
    assert (changed["title"], changed["description"]) == ("Another", "Two lines:\nthis is one.")
    assert changed["language"] == "de"
    assert (await change(http, description=""))["description"] == ""
    for nonsense in ({}, {"description": "a\x00"}, {"description": "x" * 5_001}, {"language": "?"}, {"size": 1}):
        async with http.patch(AT, json=nonsense) as response:
            await problem(response, 400)


async def test_a_trim_says_what_is_played_and_cuts_nothing(http: aiohttp.ClientSession, kept: Path) -> None:
    before = (kept / "clean.opus").read_bytes()
    changed = await change(http, trim={"start_s": 0.25, "end_s": 1.75})
    assert changed["trim"] == {"start_s": 0.25, "end_s": 1.75}
    assert (changed["duration_s"], changed["plays_s"]) == (2.0, 1.5)
    assert (await listed(http))[0]["plays_s"] == 1.5
    assert (await change(http, title="Cut"))["trim"] is not None
    assert (await change(http, trim={"start_s": 1.0, "end_s": 2.004}))["trim"]["end_s"] == 2.0  # rounded up somewhere
    assert (kept / "clean.opus").read_bytes() == before
    untrimmed = await change(http, trim=None)
    assert (untrimmed["trim"], untrimmed["plays_s"]) == (None, 2.0)


@pytest.mark.parametrize("span", [(-0.1, 1), (1, 1), (1.5, 1), (0, 2.1), (0, 1e12), ("a", 1)])
async def test_a_trim_lies_within_the_recording(
    http: aiohttp.ClientSession, kept: Path, span: tuple[object, object]
) -> None:
    async with http.patch(AT, json={"trim": {"start_s": span[0], "end_s": span[1]}}) as response:
        await problem(response, 400)
    assert (await listed(http))[0]["trim"] is None


async def test_what_is_in_the_bin_is_listed_and_goes_for_good(
    http: aiohttp.ClientSession, server: Server, kept: Path
) -> None:
    assert await listed(http, binned="true") == []
    async with http.delete(AT) as response:
        assert response.status == 204
    assert await listed(http) == []
    [item] = await listed(http, binned="true")
    binned, gone = (datetime.fromisoformat(item[name]) for name in ("binned_at", "gone_at"))
    assert gone - binned == timedelta(days=server.settings.bin_days)
    async with http.delete(AT) as response:
        await problem(response, 404)
    async with http.delete(AT, params={"forever": "true"}) as response:
        assert response.status == 204
    assert await listed(http, binned="true") == []
    assert [path.name for path in server.settings.recordings_dir.rglob("abc")] == []
    async with http.post(f"{AT}/restore") as response:
        await problem(response, 404)


async def test_a_recording_can_go_for_good_at_once(http: aiohttp.ClientSession, server: Server, kept: Path) -> None:
    async with http.delete(AT, params={"forever": "true"}) as response:
        assert response.status == 204
    assert await listed(http) == await listed(http, binned="true") == []
    assert not kept.exists()


async def test_what_is_being_recorded_is_neither_cut_nor_deleted(
    http: aiohttp.ClientSession, server: Server, kept: Path
) -> None:
    await server.services.store.change_recording("abc", state="finishing")
    async with http.patch(AT, json={"trim": {"start_s": 0, "end_s": 1}}) as response:
        assert (await problem(response, 409))["code"] == "still-recording"
    async with http.delete(AT, params={"forever": "true"}) as response:
        assert (await problem(response, 409))["code"] == "still-recording"
    assert kept.exists()


async def test_recordings_go_to_the_bin_by_their_age_where_a_setting_says_so(server: Server, kept: Path) -> None:
    store, library = server.services.store, server.services.library
    now = datetime.now(UTC)
    await store.change_recording("abc", created_at=now - timedelta(days=89))
    await tidy(library, store, now, retention_days=90)
    await store.change_recording("abc", created_at=now - timedelta(days=91))
    await tidy(library, store, now)
    assert (await store.recording("abc")).deleted_at is None
    await tidy(library, store, now, retention_days=90)
    assert (await store.recording("abc")).deleted_at is not None
    await tidy(library, store, datetime.now(UTC) + timedelta(days=29), retention_days=90)
    assert (await store.recordings(binned=True)).total == 1
    await tidy(library, store, datetime.now(UTC) + timedelta(days=31), retention_days=90)
    assert (await store.recordings(binned=True)).total == 0


async def test_ones_room_is_told_and_what_is_full_says_so(
    http: aiohttp.ClientSession, server: Server, kept: Path
) -> None:
    quotas, size = server.services.quotas, (kept / "clean.opus").stat().st_size
    async with http.get("/api/v1/account/storage") as response:
        assert await response.json() == {
            "used_bytes": size,
            "quota_bytes": None,
            "bin_bytes": 0,
            "uploads_bytes": 0,
        }
    await server.services.library.delete(await server.services.store.recording("abc"))
    assert (await quotas.storage("local")).bin == size
    server.services.quotas = Quotas(server.services.store, server.services.library.files, server.services.media, 1e-9)
    await server.services.store.change_recording("abc", size_bytes=10**9)
    with pytest.raises(QuotaReached):
        await server.services.quotas.check_recording("local")


async def test_a_recording_says_who_spoke_how_much(http: aiohttp.ClientSession, server: Server, kept: Path) -> None:
    said = {"abc": [caption(1, "one two three"), caption(2, "four", speakers=("S2",))]}
    names = {"abc": [SpeakerName("S1", "Anna", "person"), SpeakerName("S2")]}
    await server.services.store.captions.save(CaptionBatch(said, names))
    async with http.get(AT) as response:
        speakers = (await response.json())["speakers"]
    assert [(item["label"], item["name"], item["words"]) for item in speakers] == [
        ("S1", "Anna", 3),
        ("S2", "Speaker 2", 1),
    ]
    assert sum(item["share"] for item in speakers) == pytest.approx(1.0, abs=0.001)


async def test_facts_are_told_in_seconds(http: aiohttp.ClientSession, server: Server, kept: Path) -> None:
    found = Facts(
        Loudness(-23.1, 4.0, -1.5),
        (Gap(48_000, 49_920, "lost"),),
        (DenoiseSpan(0, 96_000, "active", 0.8),),
        (ModelUsed("denoise", "DeepFilterNet3", "0.5.6"),),
        ((0, 1), (48_000, 3)),
    )
    await server.services.store.change_recording("abc", facts=found.to_json())
    assert Facts.from_json((await server.services.store.recording("abc")).facts) == found
    async with http.get(AT) as response:
        facts = (await response.json())["facts"]
    assert facts == {
        "loudness": {"integrated_lufs": -23.1, "range_lu": 4.0, "true_peak_dbtp": -1.5},
        "gaps": [{"start_s": 1.0, "end_s": 1.04, "kind": "lost"}],
        "denoise": [{"start_s": 0.0, "end_s": 2.0, "mode": "active", "strength": 0.8}],
        "models": [{"stage": "denoise", "name": "DeepFilterNet3", "version": "0.5.6"}],
        "listeners": [[0.0, 1], [1.0, 3]],
    }
