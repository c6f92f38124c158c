"""Captions of a stream while it is live, and known voices, with a real publisher and scripted models."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest

from server.app import Server
from server.client.whip import Publication
from server.config import load_settings
from server.errors import ClearcastError, InvalidRequest
from server.inference.caption_lane import CaptionerStatus, VoicePrints
from server.store.ids import new_id
from server.store.records import Job, VoicePrint
from tests.fakes import ScriptedDenoise
from tests.rooms.hearing import Line, ScriptedCaptions
from tests.web.conftest import SDP
from tests.web.test_captions import Reader, ask
from tests.web.test_events import subscribe
from tests.web.test_routes import problem
from tests.web.test_streams import talking

QUERY = "language=de&translate=true&vocabulary=Clearcast,+Ada&speakers=2"


@pytest.fixture
def heard() -> ScriptedCaptions:
    return ScriptedCaptions([Line(0.4, "Hello there everybody"), Line(1.6, "And me", "S2")])


@pytest.fixture
async def server(tmp_path: Path, heard: ScriptedCaptions) -> AsyncIterator[Server]:
    settings = load_settings(data_dir=tmp_path / "data", port=0, disk_reserve_mb=0, captions_vocabulary="aiortc")
    made = Server(settings, denoise=ScriptedDenoise(), captions=heard)
    await made.start()
    yield made
    await made.close()


class Page:
    """A page that follows one topic."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The next event that is wanted."""
        async with asyncio.timeout(60):
            while True:
                event: dict[str, Any] = await self._socket.receive_json()
                if wanted(event):
                    return event


def is_caption(kind: str, text: str) -> Callable[[dict[str, Any]], bool]:
    def wanted(event: dict[str, Any]) -> bool:
        data = event.get("data", {})
        return event["type"] == "caption" and data["kind"] == kind and text in data["caption"]["text"]

    return wanted


def has_speakers(*names: str | None) -> Callable[[dict[str, Any]], bool]:
    def wanted(event: dict[str, Any]) -> bool:
        return event["type"] == "speakers" and [item["name"] for item in event["data"]["speakers"]] == list(names)

    return wanted


async def test_a_live_stream_is_read_corrected_and_known_by_voice(
    server: Server, heard: ScriptedCaptions, http: aiohttp.ClientSession
) -> None:
    publication = await Publication.start(f"{server.url}/whip/studio?{QUERY}", title="Talk")
    path = f"/api/v1/streams/{publication.stream_id}"
    async with talking(publication):
        page = Page(await subscribe(http, f"captions:{publication.stream_id}"))
        response = await http.get(f"{path}/captions/events")
        reader = Reader(response)
        final = await page.until(is_caption("final", "Hello there everybody"))
        while json.loads((await reader.next()).get("data", "{}")) != final:
            pass  # the socket and the long answer say the same, number and time included
        response.close()
        await page.until(is_caption("final", "And me"))
        await is_read_and_corrected(http, path, page)
        voice = await is_known_by_voice(server, heard, http, path, page)
        await ask(http, "PATCH", path, {"off_record": True})
        assert (await page.until(lambda event: event["type"] == "off_record"))["data"]["on"] is True
        assert (await ask(http, "GET", path))["captions"]["off_record"] is True
    options = heard.lanes[0].options
    assert (options.language, options.translate, options.speakers) == ("de", True, 2)
    assert options.vocabulary == "Clearcast, Ada, aiortc"

    await ask(http, "POST", f"{path}/end")
    await publication.stop()
    async with asyncio.timeout(60):
        while server.services.stream(str(publication.stream_id)) is not None:
            await asyncio.sleep(0.02)
    await is_kept(server, http, path, page, voice)


async def is_read_and_corrected(http: aiohttp.ClientSession, path: str, page: Page) -> None:
    """While it is live; the event comes, and the database has it."""
    named = (await ask(http, "PATCH", f"{path}/speakers/S1", {"name": "Ada"}))["speakers"]
    assert [item["name"] for item in named] == ["Ada", None]
    await page.until(has_speakers("Ada", None))
    async with http.patch(f"{path}/speakers/S2", json={"name": "ada"}) as response:
        assert (await problem(response, 409))["label"] == "S1"
    corrected = await ask(http, "PATCH", f"{path}/captions/2", {"text": "And I"})
    assert (await page.until(is_caption("revision", "And I")))["data"]["caption"] == corrected
    undone = await ask(http, "POST", f"{path}/captions/undo")
    assert (undone["rev"], undone["edited"]) == (corrected["rev"] + 1, False)
    assert (await page.until(is_caption("revision", undone["text"])))["data"]["caption"] == undone
    (kept,) = (await ask(http, "GET", f"{path}/captions/2/edits"))["items"]
    assert (kept["before"], kept["after"], kept["undone"]) == ({"text": undone["text"]}, {"text": "And I"}, True)
    corrected = await ask(http, "PATCH", f"{path}/captions/2", {"text": "And I"})
    assert (await page.until(is_caption("revision", "And I")))["data"]["caption"] == corrected
    for number, status in (("9", 404), ("x", 404)):
        async with http.patch(f"{path}/captions/{number}", json={"text": "x"}) as response:
            await problem(response, status)
    shown = await ask(http, "GET", f"{path}/captions")
    assert [(item["text"], item["speakers"]) for item in shown["items"]] == [
        ("Hello there everybody", ["S1"]),
        ("And I", ["S2"]),
    ]
    assert (shown["version"], shown["speakers"]) == ("live", named)
    async with http.get(f"{path}/captions.vtt") as response:
        assert response.headers["Cache-Control"] == "no-store"
        text = await response.text()
    assert "<v Ada>Hello there everybody</v>" in text
    assert "<v Speaker 2>And I</v>" in text


async def is_known_by_voice(
    server: Server, heard: ScriptedCaptions, http: aiohttp.ClientSession, path: str, page: Page
) -> str:
    """Saved with consent, renamed and given to the stream; returns the voice's id."""
    voice = f"{path}/speakers/S1/voice"
    for body in ({}, {"consent": False}, {"consent": True, "name": "x"}):
        async with http.post(voice, json=body) as response:
            await problem(response, 400)
    async with http.post(f"{path}/speakers/S2/voice", json={"consent": True}) as response:
        assert (await problem(response, 409))["code"] == "speaker-unnamed"
    async with http.post(voice, json={"consent": True}) as response:
        assert (await problem(response, 409))["code"] == "voice-too-short"
    prints = VoicePrints("model-a", {"S1": np.array([0.6, 0.8], np.float32)}, {"S1": 12.3})
    heard.lanes[0].say(prints)
    async with asyncio.timeout(30):
        while server.services.media.voices_heard(path.rpartition("/")[2]) is None:
            await asyncio.sleep(0.01)
    saved = await ask(http, "POST", voice, {"consent": True}, status=201)
    assert (saved["name"], saved["seconds"], saved["model"]) == ("Ada", 12.3, "model-a")
    linked = await page.until(lambda event: event["type"] == "speakers" and event["data"]["speakers"][0]["voice"])
    assert linked["data"]["speakers"][0]["voice"] == saved["id"]
    return str(saved["id"])


async def is_kept(server: Server, http: aiohttp.ClientSession, path: str, page: Page, voice: str) -> None:
    """After the end everything goes on as it was, by the same addresses; what was wished is kept for the final pass."""
    kept = await server.services.store.stream(path.rpartition("/")[2])
    assert (kept.vocabulary, kept.translated, kept.most_speakers) == ("Clearcast, Ada, aiortc", True, 2)
    assert "aiortc" not in json.dumps(await ask(http, "GET", path))
    shown = await ask(http, "GET", f"{path}/captions")
    assert [item["text"] for item in shown["items"]] == ["Hello there everybody", "And I"]
    assert [(item["name"], item["voice"]) for item in shown["speakers"]] == [("Ada", voice), (None, None)]
    named = await ask(http, "PATCH", f"{path}/speakers/S2", {"name": "Bob"})
    assert (await page.until(has_speakers("Ada", "Bob")))["data"] == named
    hidden = await ask(http, "PATCH", f"{path}/captions/1", {"hidden": True})
    assert (hidden["rev"], hidden["text"]) == (shown["items"][0]["rev"] + 1, "Hello there everybody")
    async with http.get(f"{path}/captions.vtt") as response:
        assert response.headers["Cache-Control"] == "private, no-cache"
        assert "Hello" not in await response.text()
    # What the speaker sounds like was kept beside the captions.
    again = await ask(http, "POST", f"{path}/speakers/S1/voice", {"consent": True}, status=201)
    assert (again["id"], again["seconds"]) == (voice, 24.6)
    await ask(http, "DELETE", f"/api/v1/voices/{voice}", status=204)
    speakers = (await ask(http, "GET", f"{path}/captions"))["speakers"]
    assert [(item["name"], item["voice"]) for item in speakers] == [("Ada", None), ("Bob", None)]
    assert (await ask(http, "GET", "/api/v1/voices"))["total"] == 0


async def test_voices_are_listed_renamed_and_forgotten(server: Server, http: aiohttp.ClientSession) -> None:
    now = server.services.clock.wall()
    for name in ("Ada", "Bob", "Eve"):
        await server.services.store.voices.learn("local", name, [VoicePrint("m", np.ones(2, np.float32), 9.0)], now)
    other = await server.services.store.voices.learn("ben", "Ben", [VoicePrint("m", np.ones(2, np.float32), 9.0)], now)
    page = await ask(http, "GET", "/api/v1/voices?limit=2")
    rest = await ask(http, "GET", f"/api/v1/voices?limit=2&cursor={page['next']}")
    voices = {item["name"]: item["id"] for item in [*page["items"], *rest["items"]]}
    assert (set(voices), page["total"], rest["next"]) == ({"Ada", "Bob", "Eve"}, 3, None)
    assert "centroids" not in page["items"][0]
    ada = f"/api/v1/voices/{voices['Ada']}"
    assert (await ask(http, "PATCH", ada, {"name": " Ada  <Lovelace> "}))["name"] == "Ada <Lovelace>"
    async with http.patch(ada, json={"name": "BOB"}) as response:
        assert (await problem(response, 409))["code"] == "voice-name-taken"
    for wrong in ("", "x" * 10_000, "a\x01"):
        async with http.patch(ada, json={"name": wrong}) as response:
            await problem(response, 400)
    for method in ("PATCH", "DELETE"):
        async with http.request(method, f"/api/v1/voices/{other.id}", json={"name": "x"}) as response:
            await problem(response, 404)
    await ask(http, "DELETE", ada, status=204)
    async with http.delete(ada) as response:
        await problem(response, 404)
    known = {item.name: item.centroid for item in await server.services.voices.known("local")}
    assert known == {"Bob": pytest.approx([0.5**0.5] * 2), "Eve": pytest.approx([0.5**0.5] * 2)}


async def test_publishers_are_told_what_captions_take(http: aiohttp.ClientSession) -> None:
    for query in (
        f"vocabulary={'x' * 1_001}",
        "vocabulary=a%00b",
        "language=deutsch%21",
        "language=d",
        "speakers=0",
        "speakers=many",
        "speakers=21",
        "min_speakers=3&max_speakers=2",
        "max_speakers=2&speakers=2",
        "captions=perhaps",
    ):
        async with http.post(f"/whip/studio?{query}", data="v=0", headers=SDP) as response:
            assert query.partition("=")[0] in (await problem(response, 400))["detail"]


async def test_what_the_model_cannot_do_is_refused_in_words(server: Server, heard: ScriptedCaptions) -> None:
    heard.refuses = InvalidRequest("The Whisper model of this server does not translate.", code="captions-translate")
    with pytest.raises(ClearcastError, match="does not translate"):
        await Publication.start(f"{server.url}/whip/studio?translate=true")


async def test_a_publisher_may_do_without_captions(server: Server, http: aiohttp.ClientSession) -> None:
    publication = await Publication.start(f"{server.url}/whip/studio?captions=false")
    path = f"/api/v1/streams/{publication.stream_id}"
    shown = (await ask(http, "GET", path))["captions"]
    assert (shown["state"], bool(shown["detail"])) == ("off", True)
    async with http.patch(f"{path}/captions/1", json={"text": "x"}) as response:
        assert response.status in (404, 409)
    await publication.stop()


async def test_how_captions_are_is_told(server: Server, heard: ScriptedCaptions, http: aiohttp.ClientSession) -> None:
    page = Page(await subscribe(http, "system"))
    await page.until(lambda event: event["type"] == "snapshot")
    assert (await ask(http, "GET", "/api/v1/config"))["captions"] == {
        "state": "ready", "recogniser": "nano", "diarizer": "embedding", "translates": False, "detail": "",
    }  # fmt: skip
    heard.tell(CaptionerStatus("degraded", "nano", None, "cpu", "The captions' process is started again."))
    told = await page.until(lambda event: event["data"].get("stage") == "captions")
    assert (told["type"], told["data"]["captions"]["state"]) == ("degraded", "degraded")
    async with http.get("/health/ready") as response:
        health = await response.json()
    assert health["components"]["captions"] == {
        "state": "degraded", "detail": "The captions' process is started again.",
    }  # fmt: skip


async def test_jobs_can_be_seen(server: Server, http: aiohttp.ClientSession) -> None:
    now = server.services.clock.wall()
    jobs = [Job(new_id(), "final-pass", subject, "local", now) for subject in ("abc", "abc", "def")]
    for job in [*jobs, Job("theirs", "final-pass", "abc", "ben", now)]:
        await server.services.store.jobs.add(job)
    page = await ask(http, "GET", "/api/v1/jobs?limit=2")
    rest = await ask(http, "GET", f"/api/v1/jobs?limit=2&cursor={page['next']}")
    assert {item["id"] for item in [*page["items"], *rest["items"]]} == {job.id for job in jobs}
    assert (await ask(http, "GET", "/api/v1/jobs?subject=def"))["total"] == 1
    shown = await ask(http, "GET", f"/api/v1/jobs/{jobs[0].id}")
    assert (shown["state"], shown["progress"], shown["result"], shown["started_at"]) == ("queued", 0.0, None, None)
    async with http.get("/api/v1/jobs/theirs") as response:
        await problem(response, 404)
    assert (await ask(http, "POST", f"/api/v1/jobs/{jobs[0].id}/cancel"))["state"] == "cancelled"
    await server.services.store.jobs.change(jobs[1].id, state="done")
    async with http.post(f"/api/v1/jobs/{jobs[1].id}/cancel") as response:
        await problem(response, 409)
    assert (await ask(http, "GET", "/api/v1/jobs?state=cancelled&kind=final-pass"))["total"] == 1
    assert (await ask(http, "GET", "/api/v1/jobs?kind=other"))["total"] == 0
    socket = Page(await subscribe(http, "jobs"))
    snapshot = await socket.until(lambda event: event["type"] == "snapshot")
    assert {item["id"] for item in snapshot["data"]["items"]} == {job.id for job in jobs}


async def test_a_job_can_be_done_once_more_and_tells_how_far_it_is(
    server: Server, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = server.services
    monkeypatch.setattr(services.jobs._process, "start", lambda: None)
    failed = Job(new_id(), "final-pass", "abc", "local", services.clock.wall(), state="failed", error="Rain.")
    await services.store.jobs.add(failed)
    socket = Page(await subscribe(http, "jobs"))
    first = await services.jobs.add("final-pass", "first", "local")
    again = await ask(http, "POST", f"/api/v1/jobs/{failed.id}/retry")
    assert (again["state"], again["error"], again["position"]) == ("queued", "", 2)
    line = await ask(http, "GET", "/api/v1/jobs/queue")
    assert (line["waiting"], line["running"]) == (2, 0)
    assert [(item["position"], item["wait_s"] > 0) for item in line["items"]] == [(1, False), (2, True)]
    told = await socket.until(lambda event: event["type"] == "queue_update" and event["data"]["waiting"] == 2)
    assert told["data"]["items"][0]["id"] == first.id
    async with http.post(f"/api/v1/jobs/{failed.id}/retry") as response:
        await problem(response, 409)
