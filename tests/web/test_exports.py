"""What people take along of recordings, over HTTP."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import aiohttp
import jsonschema_rs
import numpy as np
import pytest

from server.app import Server
from server.clock import SAMPLE_RATE
from server.recordings.exports.transcripts import FORMS
from server.speech.captions import Caption
from server.speech.processor import Word
from server.speech.speakers import SpeakerName
from server.store.chat_records import ChatKind, ChatMessage
from server.store.records import CaptionVersion, Recording, StoredStream
from server.store.summaries import WrittenSummary
from tests.people import town
from tests.recordings.sounding import clicks, heard_clicks, read, write_long, write_opus
from tests.recordings.writing import STARTED
from tests.web.test_routes import problem

LENGTH = 20 * SAMPLE_RATE
CLICKS = [SAMPLE_RATE, 6 * SAMPLE_RATE, 12 * SAMPLE_RATE, 18 * SAMPLE_RATE]
AUDIO = "/api/v1/recordings/abc/audio"
TYPES = {
    "opus": "audio/ogg; codecs=opus",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "mp3": "audio/mpeg",
    "m4a": "audio/mp4",
}
TITLE = 'Ünter „uns“ ../../<b>你好</b> "x"'


def said(number: int, second: float, speaker: str, text: str = " Click") -> Caption:
    start = round(second * SAMPLE_RATE)
    words = (Word(start, start + SAMPLE_RATE // 2, text, 0.8),)
    return Caption(number, 1, start, words[0].end, (speaker,), words, 1, final=True)


async def keep(server: Server, owner: str = "local", **values: Any) -> Recording:
    """A finished recording "abc" of clicks, of which two people say something each second time."""
    services = server.services
    channel = services.default_channel
    await services.store.save_stream(
        StoredStream("abc", channel.id, owner, "Anna", "Talk", "ended", STARTED, STARTED, length=LENGTH, recorded=True)
    )
    path = write_opus(server.settings.recordings_dir / "abc" / "clean.opus", clicks(LENGTH, CLICKS))
    recording = Recording("abc", "abc", TITLE, "", "", "", "", STARTED, "ready", "", LENGTH, path.stat().st_size)
    await services.store.save_recording(recording)
    spoken = [said(number, place / SAMPLE_RATE, f"S{2 - number % 2}") for number, place in enumerate(CLICKS, 1)]
    await services.store.captions.replace(
        "abc", CaptionVersion.FINAL, spoken, [SpeakerName("S1", "Ada/../x", "person"), SpeakerName("S2")]
    )
    return await services.store.change_recording("abc", **values) if values else recording


@pytest.fixture
async def kept(server: Server) -> Server:
    await keep(server)
    return server


@pytest.mark.parametrize("name", TYPES)
async def test_every_format_whole_and_in_ranges(http: aiohttp.ClientSession, kept: Server, name: str) -> None:
    async with http.get(f"{AUDIO}?format={name}&download=1") as response:
        data = await response.read()
        assert (response.status, response.headers["Content-Type"]) == (200, TYPES[name])
        assert response.headers["Content-Length"] == str(len(data))
        etag, value = response.headers["ETag"], response.headers["Content-Disposition"]
    file_name = unquote(value.split("filename*=UTF-8''")[1])
    assert file_name.endswith(f"b 你好 b x.{name}")
    assert not set('/\\:*?"<>|') & set(file_name)
    assert [abs(a - b) <= 48 for a, b in zip(heard_clicks(read(data)), CLICKS, strict=True)] == [True] * 4
    for asked, part in (("bytes=0-99", data[:100]), ("bytes=-50", data[-50:]), ("bytes=1000-", data[1000:])):
        async with http.get(f"{AUDIO}?format={name}", headers={"Range": asked, "If-Match": etag}) as response:
            assert (response.status, await response.read()) == (206, part)
    async with http.get(f"{AUDIO}?format={name}", headers={"Range": f"bytes={len(data)}-"}) as response:
        assert (response.status, response.headers["Content-Range"]) == (416, f"bytes */{len(data)}")
    async with http.head(f"{AUDIO}?format={name}") as response:
        assert response.headers["Content-Length"] == str(len(data))


async def test_how_far_a_file_is_can_be_asked_before_it_is_taken(http: aiohttp.ClientSession, kept: Server) -> None:
    for query, at_once in (("", True), ("format=mp3&start=2&end=9&download=1", False)):
        shares = []
        while not shares or not shares[-1]["ready"]:
            async with http.get(f"{AUDIO}/progress?{query}") as response:
                assert response.status == 200
                shares.append(await response.json())
        assert all(0 <= one["share"] <= 1 for one in shares) and shares[-1]["share"] == 1
        assert len(shares) == 1 or not at_once
        async with http.get(f"{AUDIO}?{query}") as response:
            assert response.status == 200 and await response.read()
    for query, status in (("start=5&end=5", 400), ("format=wav&version=raw", 404), ("track=nobody", 404)):
        async with http.get(f"{AUDIO}/progress?{query}") as response:
            await problem(response, status)


async def test_a_part_and_what_is_no_part(http: aiohttp.ClientSession, kept: Server) -> None:
    for name in ("opus", "flac"):
        async with http.get(f"{AUDIO}?format={name}&start=5.5&end=12.25") as response:
            sound = read(await response.read())
        assert len(sound) == round(6.75 * SAMPLE_RATE)
        assert [abs(a - b) <= 48 for a, b in zip(heard_clicks(sound), (24_000, 312_000), strict=True)] == [True] * 2
    for wrong in ("start=5&end=5", "start=30", "start=-1", "end=0", "start=x", "start=nan", "end=inf", "format=exe"):
        async with http.get(f"{AUDIO}?{wrong}") as response:
            await problem(response, 400)
    async with http.get(f"{AUDIO}?track=../../clearcast.db") as response:
        await problem(response, 404)
    async with http.get(f"{AUDIO}?format=wav&version=raw") as response:
        assert (await problem(response, 404))["code"] == "no-audio"


async def test_what_was_trimmed_away_is_its_owners_only(tmp_path: Path) -> None:
    async with town(tmp_path) as place:
        olga, paul = await place.add("olga"), await place.add("paul")
        trim = {"trim_start": 5 * SAMPLE_RATE, "trim_end": 15 * SAMPLE_RATE}
        await keep(place.server, olga.id, **trim)
        async with olga.http.put("/api/v1/recordings/abc/access", json={"access": "public"}) as response:
            assert response.status == 200, await response.text()
        for person in (olga, paul):
            for name in ("opus", "wav"):
                async with person.http.get(f"{AUDIO}?format={name}") as response:
                    assert len(read(await response.read())) == 10 * SAMPLE_RATE
                async with person.http.get(f"{AUDIO}?format={name}&start=0&end=7") as response:
                    assert len(read(await response.read())) == 2 * SAMPLE_RATE
        async with olga.http.get(f"{AUDIO}?whole=true") as response:
            assert len(read(await response.read())) == LENGTH
        async with paul.http.get(f"{AUDIO}?whole=true") as response:
            await problem(response, 403)
        async with paul.http.get("/api/v1/recordings/abc/tracks") as response:
            body = await response.json()
        assert (body["start_s"], body["end_s"], [item["label"] for item in body["items"]]) == (5, 15, ["S1", "S2"])
        async with paul.http.get("/api/v1/recordings/abc/tracks?whole=true") as response:
            await problem(response, 403)


async def test_tracks_singly_and_together(http: aiohttp.ClientSession, kept: Server) -> None:
    async with http.get("/api/v1/recordings/abc/tracks") as response:
        listed = await response.json()
    assert [(item["label"], item["name"], item["words"]) for item in listed["items"]] == [
        ("S1", "Ada/../x", 2),
        ("S2", "Speaker 2", 2),
    ]
    assert [turn[2] for turn in listed["turns"]] == ["S1", "S2", "S1", "S2"]
    assert all(item["overlap_s"] == 0 for item in listed["items"])
    urls = [*(item["audio_url"] for item in listed["items"]), listed["room"]["audio_url"]]
    sounds = []
    for url in urls:
        async with http.get(f"{url}&format=flac") as response:
            sounds.append(read(await response.read()))
    assert [[round(at / SAMPLE_RATE) for at in heard_clicks(sound)] for sound in sounds] == [[1, 12], [6, 18], []]
    async with http.get("/api/v1/recordings/abc/tracks.zip?format=flac") as response:
        assert (response.status, response.content_type) == (200, "application/zip")
        assert response.headers["Content-Disposition"].startswith("attachment; ")
        archive = zipfile.ZipFile(io.BytesIO(await response.read()))
    assert archive.testzip() is None
    assert archive.namelist() == ["01 Ada .. x.flac", "02 Speaker 2.flac", "03 Room.flac"]
    together = [read(archive.read(name)) for name in archive.namelist()]
    assert all(np.array_equal(one, other) for one, other in zip(together, sounds, strict=True))
    async with http.get(f"{AUDIO}?format=flac") as response:
        whole = read(await response.read())
    residual = np.sqrt(np.mean((sum(together) - whole) ** 2)) / np.sqrt(np.mean(whole**2))
    assert 20 * np.log10(residual + 1e-12) <= -60


async def test_a_sample_of_a_speaker(http: aiohttp.ClientSession, kept: Server) -> None:
    async with http.get("/api/v1/recordings/abc/speakers/S1/sample") as response:
        assert response.content_type == "audio/wav"
        sound = read(await response.read())
    assert SAMPLE_RATE < len(sound) <= 6 * SAMPLE_RATE
    assert len(heard_clicks(sound)) == 2
    for wrong in ("S9", "..%2f..", "room"):
        async with http.get(f"/api/v1/recordings/abc/speakers/{wrong}/sample") as response:
            await problem(response, 404)


async def test_what_is_not_finished_or_failed_is_told(http: aiohttp.ClientSession, kept: Server) -> None:
    for state, status in (("recording", 409), ("finishing", 409), ("failed", 404)):
        await kept.services.store.change_recording("abc", state=state)
        for path in ("audio?format=mp3", "audio?start=1", "tracks", "tracks.zip", "speakers/S1/sample"):
            async with http.get(f"/api/v1/recordings/abc/{path}") as response:
                await problem(response, status)
    async with http.get(AUDIO) as response:  # as far as it is there
        assert response.status == 200


async def test_a_file_that_nobody_waits_for_any_more_is_not_made(http: aiohttp.ClientSession, kept: Server) -> None:
    folder = kept.settings.recordings_dir / "abc"
    await asyncio.to_thread(write_long, folder / "clean.opus", 3_600)
    await kept.services.store.change_recording("abc", length=3_600 * SAMPLE_RATE)
    asking = asyncio.create_task(http.get(f"{AUDIO}?format=m4a"))
    async with asyncio.timeout(30):
        while not list(folder.glob("exports/.*.part")):
            await asyncio.sleep(0.01)
        asking.cancel()  # the browser closes the connection
        while list(folder.glob("exports/*")):
            await asyncio.sleep(0.01)
    assert kept.services.export_desk.conversions.making == 0


async def test_a_reader_who_leaves_leaves_nothing_behind(http: aiohttp.ClientSession, kept: Server) -> None:
    path = kept.settings.recordings_dir / "abc" / "exports"
    async with http.get(f"{AUDIO}?format=flac") as response:
        await response.content.read(10)
        response.close()
    async with http.get(f"{AUDIO}?format=flac") as response:
        assert len(read(await response.read())) == LENGTH
    assert [item.suffix for item in path.iterdir()] == [".flac"]
    async with http.delete("/api/v1/recordings/abc") as response:
        assert response.status == 204
    async with http.get(f"{AUDIO}?format=flac") as response:
        await problem(response, 404)
    assert not path.exists()


# ---- transcripts


async def test_a_transcript_in_every_form_with_its_type_and_name(http: aiohttp.ClientSession, kept: Server) -> None:
    for base in ("recordings", "streams"):
        for name, form in FORMS.items():
            if base == "streams" and not form.is_text:
                continue
            async with http.get(f"/api/v1/{base}/abc/transcript?format={name}&download=1") as response:
                data = await response.read()
                assert (response.status, response.content_type) == (200, form.media_type), name
                assert response.headers["Content-Disposition"].endswith(f".{name}")
            assert data
            if form.is_text:
                assert "Click" in data.decode()
            else:
                assert data.startswith({"pdf": b"%PDF-", "docx": b"PK\x03\x04"}[name])
    for wrong in ("format=exe", "start=9&end=8", "times=perhaps", "version=../x"):
        async with http.get(f"/api/v1/recordings/abc/transcript?{wrong}") as response:
            await problem(response, 400)


async def test_what_stands_beside_the_words_is_chosen(http: aiohttp.ClientSession, kept: Server) -> None:
    await kept.services.store.chat.add(
        ChatMessage("m1", "abc", 7 * SAMPLE_RATE, None, "Eve", ChatKind.TEXT, "=Hello", STARTED)
    )
    await kept.services.store.chat.add(
        ChatMessage("m2", "abc", 8 * SAMPLE_RATE, None, "Eve", ChatKind.REACTION, "👏", STARTED)
    )

    async def read(query: str) -> dict[str, Any]:
        async with http.get(f"/api/v1/recordings/abc/transcript?format=json&{query}") as response:
            assert response.status == 200, await response.text()
            document: dict[str, Any] = json.loads(await response.text())
            return document

    plain = await read("")
    assert (plain["title"], plain["account"], plain["translated"], plain["duration"]) == (TITLE, "final", False, 20.0)
    assert "chat" not in plain and "summary" not in plain
    full = await read("chat=true&summary=true&confidence=true")
    assert full["chat"] == [{"at": 7.0, "name": "Eve", "text": "=Hello"}]
    assert [(who["name"], who["words"], who["share"]) for who in full["summary"]["speakers"]] == [
        ("Ada/../x", 2, 0.5),
        ("Speaker 2", 2, 0.5),
    ]
    assert full["captions"][0]["confidence"] == 0.8
    part = await read("start=5.5&end=13&chat=true")
    assert [(item["start"], item["words"][0]["start"]) for item in part["captions"]] == [(0.5, 0.5), (6.5, 6.5)]
    assert (part["start"], part["duration"], part["chat"][0]["at"]) == (5.5, 7.5, 1.5)
    assert (await read("speakers=false"))["speakers"] == []
    async with http.get("/api/v1/recordings/abc/transcript?translation=true") as response:
        assert (await problem(response, 409))["code"] == "not-translated"
    async with http.get("/api/v1/recordings/abc/transcript?times=true&summary=true") as response:
        text = await response.text()
    assert "[0:01] Ada/../x: Click\n" in text
    assert "Ada/../x: 1 s (50 %), 2 words" in text


async def test_a_summary_is_of_what_is_taken_along(http: aiohttp.ClientSession, kept: Server) -> None:
    lines = [" Who sends the invoice?", " I will send the invoice tomorrow.", " Good.", " We must pay the invoice."]
    spoken = [said(number, 4.0 * number, "S1", text) for number, text in enumerate(lines, 1)]
    await kept.services.store.captions.replace(
        "abc", CaptionVersion.FINAL, spoken, [SpeakerName("S1", "Ada", "person")]
    )
    await kept.services.store.summaries.put(WrittenSummary("abc", "some-model", "- About *money*.", STARTED, ""))

    async def summary(query: str) -> dict[str, Any]:
        async with http.get(f"/api/v1/recordings/abc/transcript?format=json&summary=true&{query}") as response:
            found: dict[str, Any] = json.loads(await response.text())["summary"]
            return found

    whole, part = await summary(""), await summary("start=7")
    assert whole["terms"] == [{"text": "invoice", "count": 3}]
    assert whole["questions"] == [{"at": 4.0, "speaker": "Ada", "text": "Who sends the invoice?"}]
    assert [(found["at"], found["rule"]) for found in whole["actions"]] == [(8.0, "promise"), (16.0, "obligation")]
    assert whole["written"] == {"model": "some-model", "markdown": "- About *money*."}
    assert (part["questions"], [found["at"] for found in part["actions"]], part["written"]) == ([], [1.0, 9.0], None)
    async with http.get("/api/v1/recordings/abc/transcript?format=md&summary=true") as response:
        text = await response.text()
    assert "## Action items (found by rules)\n\n- \\[0:08\\] Ada: I will send the invoice tomorrow. – promise\n" in text
    assert "## Summary, written by some-model\n\n- About \\*money\\*.\n" in text


async def test_a_json_transcript_is_as_its_schema_says(http: aiohttp.ClientSession, kept: Server) -> None:
    schema = json.loads((Path(__file__).parents[2] / "docs" / "transcript.schema.json").read_text())
    validator = jsonschema_rs.validator_for(schema)
    for query in ("", "chat=true&summary=true&confidence=true", "speakers=false&start=3&end=4"):
        async with http.get(f"/api/v1/recordings/abc/transcript?format=json&{query}") as response:
            validator.validate(json.loads(await response.text()))
    assert not validator.is_valid({"version": 2})


async def test_what_was_trimmed_away_was_not_said(tmp_path: Path) -> None:
    async with town(tmp_path) as place:
        olga, paul = await place.add("olga"), await place.add("paul")
        await keep(place.server, olga.id, trim_start=5 * SAMPLE_RATE, trim_end=15 * SAMPLE_RATE)
        async with olga.http.put("/api/v1/recordings/abc/access", json={"access": "public"}) as response:
            assert response.status == 200
        for base in ("recordings", "streams"):
            for person in (olga, paul):
                async with person.http.get(f"/api/v1/{base}/abc/transcript?format=json") as response:
                    document = await response.json()
                assert [item["start"] for item in document["captions"]] == [1.0, 7.0]
            async with paul.http.get(f"/api/v1/{base}/abc/transcript?whole=true") as response:
                await problem(response, 403)
            async with olga.http.get(f"/api/v1/{base}/abc/transcript?format=json&whole=true") as response:
                assert len((await response.json())["captions"]) == 4


async def test_a_recording_in_which_nothing_was_said(http: aiohttp.ClientSession, kept: Server) -> None:
    await kept.services.store.captions.forget("abc")
    for name in (name for name in FORMS if FORMS[name].is_text):
        async with http.get(f"/api/v1/recordings/abc/transcript?format={name}&chat=true&summary=true") as response:
            assert response.status == 200, name
    async with http.get("/api/v1/recordings/abc/tracks") as response:
        body = await response.json()
    assert (body["items"], body["room"]["seconds"]) == ([], 20.0)
    async with http.get("/api/v1/recordings/abc/tracks.zip?format=flac") as response:
        assert zipfile.ZipFile(io.BytesIO(await response.read())).namelist() == ["01 Room.flac"]
