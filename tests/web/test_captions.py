"""Captions of a stream that has ended: read, corrected, by the rules that hold while it is live."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from server.accounts.gate import Actor
from server.app import Server
from server.backplane.hub import QUEUE
from server.rooms.messages import known_caption, known_speakers
from server.speech.speakers import SpeakerName
from server.speech.transcript_forms import TYPES
from server.store.captions import CaptionBatch
from server.store.records import CaptionVersion, Recording, StoredStream
from tests.recordings.saying import ADA, SECOND, caption
from tests.web.test_events import subscribe
from tests.web.test_routes import problem

PATH = "/api/v1/streams/abc"
SAID = [
    caption(1, "Good morning"),
    caption(2, "Is 1 < 2 & <b>3</b> --> 4?", speakers=["S2"]),
    caption(3, "Off with it", hidden=True),
    caption(4, "Both of us", speakers=["S1", "S2"]),
]


@pytest.fixture
async def said(server: Server) -> StoredStream:
    """A stream that has ended, with four captions of two speakers, one of whom has a name."""
    services = server.services
    home = services.default_channel
    began = home.created_at
    stream = StoredStream(
        "abc", home.id, "local", "Anna", "Talk", "ended", began, began, length=2_400_000, recorded=True, language="en"
    )
    await services.store.save_stream(stream)
    await services.store.save_recording(Recording("abc", "abc", "Talk", "", "", "", "", began, "ready"))
    batch = CaptionBatch({"abc": [known_caption(item) for item in SAID]}, {"abc": known_speakers([ADA, SECOND])})
    assert await services.store.captions.save(batch) == set()
    return stream


pytestmark = pytest.mark.usefixtures("said")


async def ask(http: aiohttp.ClientSession, method: str, path: str, body: Any = None, status: int = 200) -> Any:
    async with http.request(method, path, json=body) as response:
        text = await response.text()
        assert response.status == status, text
        return json.loads(text) if text else None


async def test_captions_are_read_page_by_page(http: aiohttp.ClientSession) -> None:
    whole = await ask(http, "GET", f"{PATH}/captions")
    assert [item["id"] for item in whole["items"]] == [1, 2, 3, 4]
    assert (whole["total"], whole["next"], whole["version"]) == (4, None, "live")
    assert [(item["label"], item["number"], item["name"]) for item in whole["speakers"]] == [
        ("S1", 1, "Ada"),
        ("S2", 2, None),
    ]
    first = whole["items"][0]
    assert (first["text"], first["final"], first["rev"], first["hidden"]) == ("Good morning", True, 1, False)
    assert first["words"][0] == {"start": 480_000, "end": 500_000, "text": " Good", "probability": 0.5}
    page = await ask(http, "GET", f"{PATH}/captions?limit=3")
    rest = await ask(http, "GET", f"{PATH}/captions?limit=3&cursor={page['next']}")
    assert [item["id"] for item in [*page["items"], *rest["items"]]] == [1, 2, 3, 4]
    before = await ask(http, "GET", f"{PATH}/captions?limit=2&before=4")
    assert [item["id"] for item in before["items"]] == [2, 3]
    light = await ask(http, "GET", f"{PATH}/captions?limit=3&words=false")
    assert [item | {"words": []} for item in light["items"]] == [
        item | {"words": [], "committed": 0} for item in whole["items"][:3]
    ]
    rest = await ask(http, "GET", f"{PATH}/captions?limit=500&words=false&cursor={light['next']}")
    assert ([item["id"] for item in rest["items"]], rest["total"], rest["next"]) == ([4], 4, None)
    for wrong in (
        "limit=501&words=false",
        "before=3&words=false",
        "limit=201",
        "limit=0",
        "cursor=xx",
        "version=last",
        "before=0",
        f"before=3&cursor={page['next']}",
    ):
        async with http.get(f"{PATH}/captions?{wrong}") as response:
            await problem(response, 400)


async def test_a_stream_of_the_past_knows_its_language(http: aiohttp.ClientSession) -> None:
    shown = (await ask(http, "GET", PATH))["captions"]
    assert shown == {"state": "off", "detail": "", "language": "en", "off_record": False}
    config = await ask(http, "GET", "/api/v1/config")
    assert config["captions"].keys() == {"state", "recogniser", "diarizer", "translates", "detail"}
    assert config["captions"]["state"] == "off"


async def test_what_is_hidden_is_for_the_owner_alone(server: Server, http: aiohttp.ClientSession) -> None:
    assert (await ask(http, "GET", f"{PATH}/captions"))["items"][2]["text"] == "Off with it"
    server.services.actor = Actor("ben", "Ben")
    hidden = (await ask(http, "GET", f"{PATH}/captions"))["items"][2]
    assert (hidden["hidden"], hidden["text"], hidden["words"]) == (True, "", [])
    for method, path, body in (
        ("PATCH", "captions/1", {"text": "x"}),
        ("PATCH", "speakers/S1", {"name": "x"}),
        ("DELETE", "speakers/S1/name", None),
        ("POST", "speakers/S1/merge", {"into": "S2"}),
        ("POST", "speakers/S1/unmerge", None),
        ("POST", "speakers/S1/voice", {"consent": True}),
    ):
        async with http.request(method, f"{PATH}/{path}", json=body) as response:
            await problem(response, 403)


async def test_webvtt_is_what_the_recommendation_says(http: aiohttp.ClientSession) -> None:
    async with http.get(f"{PATH}/captions.vtt") as response:
        assert response.headers["Content-Type"] == "text/vtt; charset=utf-8"
        text = await response.text()
    assert text == (
        "WEBVTT\n"
        "\n1\n00:00:10.000 --> 00:00:10.916\n<v Ada>Good morning</v>\n"
        "\n2\n00:00:20.000 --> 00:00:23.916\n<v Speaker 2>Is 1 &lt; 2 &amp; &lt;b&gt;3&lt;/b&gt; --&gt; 4?</v>\n"
        "\n4\n00:00:40.000 --> 00:00:41.416\n<v Ada &amp; Speaker 2>Both of us</v>\n"
    )
    async with http.head(f"{PATH}/captions.vtt") as response:
        assert (response.status, await response.read()) == (200, b"")


async def test_webvtt_of_a_long_stream_is_whole_and_in_order(server: Server, http: aiohttp.ClientSession) -> None:
    many = [known_caption(caption(number, f"number {number}")) for number in range(5, 1_000)]
    late = replace(many[0], id=1_000, start=0, end=480)
    for start in range(0, len(many), 200):
        await server.services.store.captions.save(CaptionBatch({"abc": [*many[start : start + 200], late]}))
    async with http.get(f"{PATH}/captions.vtt") as response:
        text = await response.text()
    starts = re.findall(r"^(\S+) -->", text, re.MULTILINE)
    assert len(starts) == 4 - 1 + 995 + 1
    assert starts == sorted(starts)
    assert starts[0] == "00:00:00.000"


async def test_a_transcript_is_taken_along_in_every_format(server: Server, http: aiohttp.ClientSession) -> None:
    await server.services.store.change_recording("abc", title="Café: Bienen")
    texts = {}
    for form, kind in TYPES.items():
        async with http.get(f"{PATH}/transcript?format={form}&download=1") as response:
            assert response.headers["Content-Type"] == f"{kind}; charset=utf-8"
            assert f"Caf%C3%A9%20Bienen.{form}" in response.headers["Content-Disposition"]
            texts[form] = await response.text()
    said = "Ada: Good morning\n\nSpeaker 2: Is 1 < 2 & <b>3</b> --> 4?\n\nAda, Speaker 2: Both of us\n"
    assert texts["txt"] == said
    assert "00:00:40,000 --> 00:00:41,416\nAda, Speaker 2: Both of us" in texts["srt"]
    assert "<v Ada>Good morning</v>" in texts["vtt"]
    assert texts["csv"].splitlines()[1] == "1,10.0,10.917,Ada,Good morning"
    told = json.loads(texts["json"])
    assert [told[key] for key in ("title", "account", "duration", "language")] == ["Café: Bienen", "live", 50.0, "en"]
    assert [item["text"] for item in told["captions"]] == [item.text for item in SAID if not item.hidden]
    assert all("Off with it" not in text for text in texts.values())  # hidden, for its owner too
    async with http.get(f"{PATH}/transcript") as response:
        assert (await response.text(), "Content-Disposition" in response.headers) == (texts["txt"], False)
    for wrong in ("format=exe", "version=last"):
        async with http.get(f"{PATH}/transcript?{wrong}") as response:
            await problem(response, 400)


async def test_each_account_is_taken_along_by_itself(server: Server, http: aiohttp.ClientSession) -> None:
    better = [known_caption(caption(1, "Good morning everybody"))]
    await server.services.store.captions.replace("abc", CaptionVersion.FINAL, better, known_speakers([ADA]))
    texts = []
    for query in ("", "&version=final", "&version=live"):
        async with http.get(f"{PATH}/transcript?format=txt{query}") as response:
            texts.append((await response.text()).splitlines()[0])
    assert texts == ["Ada: Good morning everybody", "Ada: Good morning everybody", "Ada: Good morning"]


async def test_a_caption_is_corrected_hidden_and_taken_back(http: aiohttp.ClientSession) -> None:
    page = await subscribe(http, "captions:abc")
    snapshot = (await page.receive_json(timeout=30))["data"]
    assert (snapshot["stream"], snapshot["language"], snapshot["position"]) == ("abc", "en", 2_400_000)
    assert [(item["id"], item["text"]) for item in snapshot["captions"]][2:] == [(3, ""), (4, "Both of us")]
    assert [item["name"] for item in snapshot["speakers"]] == ["Ada", None]

    edited = await ask(http, "PATCH", f"{PATH}/captions/1", {"text": "  Good \n evening <i>all</i> \u202eעדה "})
    assert (edited["text"], edited["rev"], edited["edited"]) == ("Good evening <i>all</i> \u202eעדה", 2, True)
    assert edited["words"][1]["text"] == " morning"
    event = await page.receive_json(timeout=30)
    assert (event["type"], event["data"]) == ("caption", {"kind": "revision", "caption": edited})

    again = await ask(http, "PATCH", f"{PATH}/captions/1", {"text": "Good evening <i>all</i> \u202eעדה"})
    assert again == edited  # nothing changed, nothing is told
    back = await ask(http, "PATCH", f"{PATH}/captions/1", {"text": "Good morning"})
    assert (back["text"], back["rev"], back["edited"]) == ("Good morning", 3, False)
    assert (await page.receive_json(timeout=30))["data"]["caption"]["rev"] == 3

    moved = await ask(http, "PATCH", f"{PATH}/captions/2", {"speakers": ["S1", "S1"], "hidden": True})
    assert (moved["speakers"], moved["hidden"], moved["edited"]) == (["S1"], True, True)
    told = (await page.receive_json(timeout=30))["data"]["caption"]
    assert (told["hidden"], told["text"], told["words"]) == (True, "", [])
    shown = await ask(http, "PATCH", f"{PATH}/captions/2", {"hidden": False})
    assert shown["text"].startswith("Is 1 < 2")
    await page.close()


NONSENSE: list[tuple[str, dict[str, Any], int, str]] = [
    ("1", {"text": ""}, 400, "invalid-request"),
    ("1", {"text": " \n "}, 400, "invalid-request"),
    ("1", {"text": "x" * 10_000}, 400, "invalid-request"),
    ("1", {"text": "a\x07b"}, 400, "invalid-request"),
    ("1", {}, 400, "invalid-request"),
    ("1", {"speakers": ["S9"]}, 404, "unknown-speaker"),
    ("1", {"speakers": ["S1"] * 50}, 400, "invalid-request"),
    ("1", {"text": "x", "start": 3}, 400, "invalid-request"),
    ("9", {"text": "x"}, 404, "unknown-caption"),
    ("-1", {"text": "x"}, 404, "not-found"),
    ("99999999999999999999", {"text": "x"}, 404, "not-found"),
    ("1?version=final", {"text": "x"}, 404, "unknown-caption"),
    ("1?version=worst", {"text": "x"}, 400, "invalid-request"),
]


async def test_corrections_that_mean_nothing(http: aiohttp.ClientSession) -> None:
    for number, change, status, code in NONSENSE:
        async with http.patch(f"{PATH}/captions/{number}", json=change) as response:
            assert (await problem(response, status))["code"] == code, (number, change)
    assert (await ask(http, "GET", f"{PATH}/captions"))["items"][0]["rev"] == 1


async def test_halves_of_characters_are_refused(http: aiohttp.ClientSession) -> None:
    for path, body in (("captions/1", b'{"text": "\\ud800"}'), ("speakers/S1", b'{"name": "\\ud800"}')):
        async with http.patch(f"{PATH}/{path}", data=body, headers={"Content-Type": "application/json"}) as response:
            await problem(response, 400)


async def test_speakers_are_named_merged_and_taken_apart(http: aiohttp.ClientSession) -> None:
    page = await subscribe(http, "captions:abc")
    await page.receive_json(timeout=30)
    named = (await ask(http, "PATCH", f"{PATH}/speakers/S2", {"name": " <b>Bob</b>  O'Neil "}))["speakers"]
    assert [(item["name"], item["source"]) for item in named] == [("Ada", "person"), ("<b>Bob</b> O'Neil", "person")]
    assert (await page.receive_json(timeout=30))["data"] == {"speakers": named}
    async with http.patch(f"{PATH}/speakers/S2", json={"name": "ADA"}) as response:
        taken = await problem(response, 409)
    assert (taken["code"], taken["label"]) == ("speaker-name-taken", "S1")

    merged = (await ask(http, "POST", f"{PATH}/speakers/S2/merge", {"into": "S1"}))["speakers"]
    assert [item["merged_into"] for item in merged] == [None, "S1"]
    assert (await page.receive_json(timeout=30))["type"] == "speakers"
    async with http.get(f"{PATH}/captions.vtt") as response:
        assert "<v Ada &amp; Ada>" not in (text := await response.text())
        assert text.count("<v Ada>") == 3
    async with http.post(f"{PATH}/speakers/S2/merge", json={"into": "S1"}) as response:
        await problem(response, 409)
    apart = (await ask(http, "POST", f"{PATH}/speakers/S2/unmerge"))["speakers"]
    assert [(item["name"], item["merged_into"]) for item in apart] == [("Ada", None), ("<b>Bob</b> O'Neil", None)]
    async with http.post(f"{PATH}/speakers/S2/unmerge") as response:
        await problem(response, 409)
    nameless = (await ask(http, "DELETE", f"{PATH}/speakers/S1/name"))["speakers"]
    assert nameless[0]["name"] is None
    assert (await ask(http, "GET", f"{PATH}/captions"))["items"][0]["rev"] == 1  # a name rewrites no caption
    await page.close()


async def test_names_that_are_none(http: aiohttp.ClientSession) -> None:
    for name in ("", "   ", "x" * 10_000, "a\x00b", "\u200f"):
        async with http.patch(f"{PATH}/speakers/S1", json={"name": name}) as response:
            assert (await problem(response, 400))["code"] == "invalid-request", name[:20]


async def test_speakers_that_there_are_not(http: aiohttp.ClientSession) -> None:
    for method, path, body in (
        ("PATCH", "S9", {"name": "Eve"}),
        ("DELETE", "S9/name", None),
        ("POST", "S9/merge", {"into": "S1"}),
        ("POST", "S1/merge", {"into": "S9"}),
        ("POST", "S9/unmerge", None),
        ("POST", "S9/voice", {"consent": True}),
    ):
        async with http.request(method, f"{PATH}/speakers/{path}", json=body) as response:
            assert (await problem(response, 404))["code"] == "unknown-speaker"


async def test_the_better_account_is_shown_and_each_is_corrected_by_itself(
    server: Server, http: aiohttp.ClientSession
) -> None:
    better = [known_caption(caption(1, "Good morning, everybody"))]
    names = [SpeakerName("S1", "Ada Lovelace", "person")]
    await server.services.store.captions.replace("abc", CaptionVersion.FINAL, better, names)
    shown = await ask(http, "GET", f"{PATH}/captions")
    assert (shown["version"], shown["total"], shown["speakers"][0]["name"]) == ("final", 1, "Ada Lovelace")
    assert (await ask(http, "GET", f"{PATH}/captions?version=live"))["total"] == 4
    await ask(http, "PATCH", f"{PATH}/captions/1", {"hidden": True})
    await ask(http, "PATCH", f"{PATH}/speakers/S1?version=live", {"name": "Countess"})
    live = await ask(http, "GET", f"{PATH}/captions?version=live")
    assert (live["items"][0]["hidden"], live["speakers"][0]["name"]) == (False, "Countess")
    async with http.get(f"{PATH}/captions.vtt?version=live") as response:
        assert "<v Countess>Good morning</v>" in await response.text()


async def test_captions_go_where_their_recording_goes(server: Server, http: aiohttp.ClientSession) -> None:
    await ask(http, "DELETE", "/api/v1/recordings/abc", status=204)
    for path in ("captions", "captions.vtt", "transcript", "captions/events"):
        async with http.get(f"{PATH}/{path}") as response:
            assert (await problem(response, 404))["code"] == "unknown-recording"
    async with http.patch(f"{PATH}/captions/1", json={"hidden": True}) as response:
        await problem(response, 404)
    page = await subscribe(http, "captions:abc")
    assert (await page.receive_json(timeout=30))["data"]["code"] == "unknown-recording"
    await page.close()
    await ask(http, "POST", "/api/v1/recordings/abc/restore")
    assert (await ask(http, "GET", f"{PATH}/captions"))["total"] == 4
    await ask(http, "DELETE", "/api/v1/recordings/abc", status=204)
    later = server.services.clock.wall().replace(year=2099)
    assert await server.services.library.purge(later) == 1
    assert (await server.services.store.captions.page("abc", CaptionVersion.LIVE)).total == 0


class Reader:
    """Server-sent events, parsed as the HTML standard says."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def next(self) -> dict[str, str]:
        """The next event; only its `retry` or `comment` where it is none."""
        event: dict[str, str] = {}
        async with asyncio.timeout(30):
            while line := (await self._response.content.readline()).decode().rstrip("\n"):
                name, _, value = line.partition(": ")
                event[name or "comment"] = value
        return event


async def test_server_sent_events_are_those_of_the_socket(server: Server, http: aiohttp.ClientSession) -> None:
    page = await subscribe(http, "captions:abc")
    snapshot = await page.receive_json(timeout=30)
    async with http.get(f"{PATH}/captions/events") as response:
        assert (response.status, response.content_type) == (200, "text/event-stream")
        reader = Reader(response)
        assert await reader.next() == {"retry": "5000"}
        first = await reader.next()
        assert first["event"] == "snapshot"
        assert json.loads(first["data"])["data"] == snapshot["data"]
        await ask(http, "PATCH", f"{PATH}/captions/1", {"text": "Line\none"})
        told = await reader.next()
        assert json.loads(told["data"]) == await page.receive_json(timeout=30)
        assert told["event"] == "caption"
        assert len(server.services.readers) == 1
    await ask(http, "PATCH", f"{PATH}/captions/2", {"hidden": True})
    async with http.get(f"{PATH}/captions/events", headers={"Last-Event-ID": told["id"]}) as response:
        reader = Reader(response)
        await reader.next()
        missed = json.loads((await reader.next())["data"])
        assert (missed["type"], missed["data"]["caption"]["id"]) == ("caption", 2)
    for unknown in ("nonsense", "epoch:1", ":", f"{told['id']}9", "x:" + "9" * 40):
        async with http.get(f"{PATH}/captions/events", headers={"Last-Event-ID": unknown}) as response:
            reader = Reader(response)
            await reader.next()
            assert (await reader.next())["event"] == "snapshot"
    await page.close()


async def test_server_sent_events_have_heartbeats_and_a_limit(
    server: Server, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.web.handlers.events.HEARTBEAT", 0.05)
    monkeypatch.setattr("server.web.handlers.caption_events.MAX_READERS", 1)
    async with http.get(f"{PATH}/captions/events") as response:
        reader = Reader(response)
        await reader.next()
        await reader.next()
        assert await reader.next() == {"comment": "heartbeat"}
        async with http.get(f"{PATH}/captions/events") as second:
            assert (await problem(second, 503))["code"] == "too-many-sockets"
            assert second.headers["Retry-After"] == "30"
    async with asyncio.timeout(30):
        while server.services.readers:
            await asyncio.sleep(0.01)


async def test_a_reader_who_falls_behind_is_cut_off(server: Server, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{PATH}/captions/events") as response:
        reader = Reader(response)
        await reader.next()
        await reader.next()
        for _ in range(QUEUE + 1):
            server.services.hub.publish("captions:abc", "caption", {})
        with pytest.raises((aiohttp.ClientError, ConnectionError)):
            async with asyncio.timeout(30):
                await response.content.read()
        async with asyncio.timeout(30):
            while server.services.readers:
                await asyncio.sleep(0.01)


async def test_readers_are_told_that_the_server_goes_down(server: Server, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{PATH}/captions/events") as response:
        reader = Reader(response)
        await reader.next()
        await reader.next()
        closing = asyncio.create_task(server.close())
        last = await reader.next()
        assert (last["event"], json.loads(last["data"]), last["retry"]) == (
            "server_closing",
            {"retry_after": 5},
            "5000",
        )
        async with asyncio.timeout(30):
            assert await response.content.read() == b""
            await closing


async def test_what_was_trimmed_away_is_read_by_its_owner_alone(server: Server, http: aiohttp.ClientSession) -> None:
    await server.services.store.change_recording("abc", trim_start=0, trim_end=15 * 48_000)  # the first caption is left
    assert [item["text"] for item in (await ask(http, "GET", f"{PATH}/captions"))["items"]][3] == "Both of us"
    async with http.get(f"{PATH}/captions.vtt") as response:
        assert "Both of us" not in (text := await response.text())
        assert "Good morning" in text
    desk = server.services.caption_desk
    page = await desk.page("abc", CaptionVersion.LIVE, limit=10)
    others = [item.public() for item in await desk.trimmed("abc", page.items)]
    assert [item.text for item in others] == ["Good morning", "", "", ""]
    told = await desk.snapshot("abc")
    assert [item.public().text for item in told.captions] == ["Good morning", "", "", ""]
