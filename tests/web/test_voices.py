"""Known voices over HTTP: found, described, counted; made from a sample of one person alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest

from server.app import Server
from server.audio.frame import Samples
from server.audio.wav import write_wav
from server.client.media import read_audio
from server.clock import SAMPLE_RATE
from server.rooms.messages import known_caption
from server.speech.speakers import SpeakerName
from server.store.captions import CaptionBatch
from server.store.records import CaptionVersion, Recording, StoredStream, Voice, VoicePrint
from tests.recordings.saying import caption
from tests.web.test_routes import problem

VOICES = "/api/v1/voices"


async def voice(server: Server, name: str, angle: float = 0.0) -> Voice:
    """A voice that is known, of the one local person."""
    at = np.deg2rad(angle)
    heard = VoicePrint("model-a", np.array([np.cos(at), np.sin(at)], np.float32), 20.0)
    store = server.services.store
    return await store.voices.learn("local", name, [heard], server.services.default_channel.created_at)


async def test_voices_are_found_described_and_switched_off(server: Server, http: aiohttp.ClientSession) -> None:
    ada = await voice(server, "Ada Lovelace")
    await voice(server, "Émile")
    change = {"description": "Chairs the club", "active": False, "verified": True}
    async with http.patch(f"{VOICES}/{ada.id}", json=change) as response:
        assert {name: (await response.json())[name] for name in change} == change
    for search, names in {"LOVE": ["Ada Lovelace"], "club": ["Ada Lovelace"], "émi": ["Émile"], "bob": []}.items():
        async with http.get(VOICES, params={"search": search}) as response:
            assert [item["name"] for item in (await response.json())["items"]] == names, search
    async with http.patch(f"{VOICES}/{ada.id}", json={}) as response:
        assert "say what is to change" in (await problem(response, 400))["detail"]
    async with http.patch(f"{VOICES}/{ada.id}", json={"name": "émile"}) as response:
        assert (await problem(response, 409))["code"] == "voice-name-taken"


async def test_where_a_voice_was_met_and_how_long_it_talks(server: Server, http: aiohttp.ClientSession) -> None:
    ada, store, home = await voice(server, "Ada"), server.services.store, server.services.default_channel
    began = home.created_at
    await store.save_stream(StoredStream("abc", home.id, "local", "Anna", "Talk", "ended", began, began, recorded=True))
    await store.save_recording(Recording("abc", "abc", "Talk", "", "", "", "", began, "ready"))
    said = [known_caption(caption(1, "Good morning")), known_caption(caption(2, "Well", speakers=["S2"]))]
    names = [SpeakerName("S1", "Ada", "voice", voice=ada.id), SpeakerName("S2")]
    await store.captions.save(CaptionBatch({"abc": said}, {"abc": names}))
    await store.captions.replace("abc", CaptionVersion.FINAL, said, names)
    async with http.get(f"{VOICES}/{ada.id}") as response:
        found = await response.json()
    met = [(item["recording_id"], item["title"], item["label"]) for item in found["recordings"]]
    assert met == [("abc", "Talk", "S1")], "once, though there are two accounts"
    assert found["talk_s"] == round((said[0].end - said[0].start) / SAMPLE_RATE, 1) > 0
    assert (found["samples"], found["spread"]) == (1, 0.0)
    said.append(known_caption(caption(3, "So be it", speakers=["S3"])))
    merged = [names[0], SpeakerName("S2", merged_into="S1"), SpeakerName("S3", merged_into="S2", voice=ada.id)]
    await store.captions.replace("abc", CaptionVersion.FINAL, said, merged)
    async with http.get(f"{VOICES}/{ada.id}") as response:
        found = await response.json()
    assert [item["label"] for item in found["recordings"]] == ["S1"]  # whoever was merged is the same person
    assert found["talk_s"] == round(sum(one.end - one.start for one in said) / SAMPLE_RATE, 1)


async def test_two_voices_become_one(server: Server, http: aiohttp.ClientSession) -> None:
    one, other = await voice(server, "Ada"), await voice(server, "Ada Lovelace", 20.0)
    async with http.post(f"{VOICES}/{one.id}/merge", json={"into": "nobody"}) as response:
        await problem(response, 404)
    async with http.post(f"{VOICES}/{one.id}/merge", json={"into": other.id}) as response:
        kept = await response.json()
    assert (kept["id"], kept["samples"], kept["seconds"]) == (other.id, 2, 40.0)
    async with http.get(VOICES) as response:
        assert [item["id"] for item in (await response.json())["items"]] == [other.id]


async def test_a_sample_of_one_person_makes_a_voice(
    start: Callable[..., Any], models_dir: Path, clips_dir: Path
) -> None:
    server: Server = await start(models_dir=models_dir, captions=True, captions_model=str(models_dir / "whisper-nano"))
    one = read_audio(clips_dir / "speech" / "1089-134686-0000.flac")[: 12 * SAMPLE_RATE]
    two = np.concatenate((one[: 10 * SAMPLE_RATE], read_audio(clips_dir / "speech" / "1272-128104-0000.flac")))
    async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as http:
        async with asyncio.timeout(120):
            while server.services.captions.status.diarizer is None:
                await asyncio.sleep(0.1)
        made = await sample(http, one, name="Ada")
        assert (made["name"], made["samples"]) == ("Ada", 1)
        assert made["seconds"] > 5
        assert (await sample(http, two[: 20 * SAMPLE_RATE], 409, name="Both"))["code"] == "voice-mixed"
        assert (await sample(http, np.zeros(8 * SAMPLE_RATE, np.float32), 409, name="No"))["code"] == "voice-too-short"
        async with http.get(VOICES) as response:
            assert [item["name"] for item in (await response.json())["items"]] == ["Ada"]


@pytest.mark.parametrize(
    ("query", "body", "status"),
    [
        ({"name": "Ada"}, write_wav(np.zeros(480, np.float32)), 400),
        ({"name": "Ada", "consent": "true"}, b"RIFFnothing", 400),
        ({"name": "", "consent": "true"}, write_wav(np.zeros(480, np.float32)), 400),
        ({"name": "Ada", "consent": "true"}, write_wav(np.zeros(31 * SAMPLE_RATE, np.float32)), 413),
    ],
    ids=["nobody was asked", "no audio", "no name", "too long"],
)
async def test_samples_that_are_none(
    http: aiohttp.ClientSession, query: dict[str, str], body: bytes, status: int
) -> None:
    async with http.post(VOICES, params=query, data=body, headers={"Content-Type": "audio/wav"}) as response:
        await problem(response, status)


async def sample(http: aiohttp.ClientSession, samples: Samples, status: int = 201, **query: str) -> dict[str, Any]:
    """What becomes of a sample."""
    query["consent"] = "true"
    async with http.post(
        VOICES, params=query, data=write_wav(samples), headers={"Content-Type": "audio/wav"}
    ) as response:
        assert response.status == status, await response.text()
        found: dict[str, Any] = await response.json()
        return found
