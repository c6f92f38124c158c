"""The walk of access: every route and every topic, tried by everybody, compared with the table written by hand."""

from __future__ import annotations

import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from server.inference.lane import DenoiserStatus
from server.recordings.library import RecordingChange
from server.rooms.messages import DenoiseInfo, DenoiseMode, MediaEvent, RecordingInfo, StreamInfo, StreamState
from server.speech.speakers import SpeakerName
from server.store.captions import CaptionBatch
from server.store.ids import new_id
from server.store.people_records import Access
from server.store.records import CaptionVersion
from server.web.routing import Route
from server.web.server import ROUTES
from server.web.topics import TOPICS
from tests.accounts.world import LIVE, THINGS, World, ask, parts, world
from tests.store.rows import caption
from tools.access_table import TABLE, markdown

EXPECTED: dict[str, Any] = tomllib.loads(TABLE.read_text())
ROLES: list[str] = EXPECTED["columns"]
BY_NAME = {f"{route.method} {route.path}": route for route in ROUTES}
LISTS = {f"/api/v1/{kind}s": kind for kind in ("channel", "stream", "recording", "collection")}


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path / "data") as made:
        yield made


def row(part: str, name: str) -> dict[str, str]:
    cells = EXPECTED[part][name].split()
    assert len(cells) == len(ROLES), name
    assert set(cells) <= {"yes", "none", "401", "403", "404"}, name
    return dict(zip(ROLES, cells, strict=True))


def test_every_route_and_topic_has_a_row_and_every_row_a_route() -> None:
    assert set(EXPECTED["routes"]) == set(BY_NAME)
    assert set(EXPECTED["topics"]) == set(TOPICS)
    assert all(row("personal", name) for name in EXPECTED["personal"])


def test_the_table_that_people_read_is_up_to_date() -> None:
    written = Path(__file__).parents[2] / "docs" / "access.md"
    assert written.read_text() == markdown(), "run `python -m tools.access_table --write`"


async def test_routes_do_what_the_table_says(place: World) -> None:
    """Every refusal of something that is there is, in every letter, that of something that is not."""
    wrong = []
    async with aiohttp.ClientSession(place.place.url, cookie_jar=aiohttp.DummyCookieJar()) as http:
        for role in ROLES:
            headers = await place.headers(role)
            for name, route in BY_NAME.items():
                found = await outcome(place, http, route, role, headers)
                if found != row("routes", name)[role]:
                    wrong.append(f"{role}: {name}: {found} instead of {row('routes', name)[role]}")
                if route.method not in ("GET", "OPTIONS") and found == "yes":
                    await place.mend(route)
                    if "/auth/" in name or "/account/" in name:
                        headers = await place.headers(role)  # they may have been signed out
    assert wrong == [], "\n".join(wrong)


async def outcome(place: World, http: aiohttp.ClientSession, route: Route, role: str, headers: dict[str, str]) -> str:
    """What becomes of a request, in the words of the table."""
    status, found = await ask(http, route, await place.address(route, role), headers)
    if status in (401, 404) and parts(route) and "nothing" not in found:
        elsewhere = await ask(http, route, await place.address(route, role, there=False), headers)
        if elsewhere == (status, found):
            return str(status)
        return "yes" if status == 404 else f"401, unlike what is not there: {elsewhere}"
    if status in (401, 404):
        return str(status)
    if status == 403 and found["code"] in ("not-allowed", "scope"):
        return "403"
    if route.method == "GET" and route.path in LISTS and not shown(found, role):
        return "none"
    return "yes"


def shown(found: dict[str, Any], role: str) -> bool:
    """Whether a list has what is tried in a role; it must hold nothing that the role may not see."""
    ours = {item["channel"]["slug"] if "channel" in item else item.get("slug") for item in found["items"]}
    mine = {slug.removeprefix("olga-") for slug in ours if slug is not None and slug.startswith("olga-")}
    mine |= {item["id"] for item in found["items"] if "slug" not in item and "channel" not in item} & set(Access)
    assert mine == sees(role)
    assert found["total"] == len(found["items"])
    return THINGS.get(role, "private") in mine


def sees(role: str) -> set[str]:
    general = role.split(",", maxsplit=1)[0]
    return set(EXPECTED["sees"].get(role, EXPECTED["sees"].get(general, "")).split())


async def test_topics_tell_what_the_table_says(place: World) -> None:
    """Who may follow what, and, once something happens to everything of Olga's, of whose access one hears."""
    wrong = []
    async with aiohttp.ClientSession(place.place.url, cookie_jar=aiohttp.DummyCookieJar()) as http:
        await happen(place)
        for role in ROLES:
            found = await followed(place, http, role)
            expected = {name: row("topics", name)[role] for name in TOPICS}
            expected |= {name: row("personal", name)[role] for name in EXPECTED["personal"]}
            wrong += [
                f"{role}: {name}: {found[name]} instead of {expected[name]}"
                for name in expected
                if found[name] != expected[name]
            ]
    assert wrong == [], "\n".join(wrong)


async def followed(place: World, http: aiohttp.ClientSession, role: str) -> dict[str, str]:
    """What becomes of every topic in a role, in the words of the table."""
    thing, personal = THINGS.get(role, "private"), EXPECTED["personal"]
    try:
        page = await http.ws_connect("/api/v1/events", headers=await place.headers(role))
    except aiohttp.WSServerHandshakeError as refused:
        return dict.fromkeys([*TOPICS, *personal], str(refused.status))
    found = {}
    for name in TOPICS:
        if not name.endswith(":"):
            found[name] = await subscribed(page, name)
            continue
        ids = {access: f"{name}{LIVE if name == 'stream:' else ''}{access}" for access in Access}
        answers = {access.value: await subscribed(page, topic) for access, topic in ids.items()}
        assert {access for access, answer in answers.items() if answer == "yes"} == sees(role), (role, name)
        found[name] = answers[thing]
        assert answers[thing] != "404" or await subscribed(page, f"{name}nothing") == "404"
    told = await events(place, page, role)
    for name, heard in told.items():
        if found[name] == "yes" and name in ("jobs", "uploads"):
            found[name] = "yes" if heard else "none"
        elif found[name] == "yes" and name not in ("friends", "notifications"):
            found[name] = "yes" if thing in heard else "none"
        if name.endswith(":") or (name in ("streams", "recordings") and found[name] in ("yes", "none")):
            assert heard == sees(role), (role, name)
    for name in personal:
        topic = name.partition(":")[0]
        found[name] = found[topic] if found[topic] != "yes" else "yes" if name in told[topic] else "none"
    await page.close()
    return found


async def subscribed(page: aiohttp.ClientWebSocketResponse, topic: str) -> str:
    """What becomes of a subscription."""
    await page.send_json({"type": "subscribe", "topics": [{"topic": topic}]})
    while True:
        answer = await page.receive_json(timeout=30)
        if answer["type"] == "snapshot" and answer["topic"] == topic:
            return "yes"
        if answer["type"] == "error":
            code = answer["data"]["code"]
            return {"not-authenticated": "401", "unknown-stream": "404", "scope": "403"}.get(code, code)


COMES, ASKS, NOTICE = EXPECTED["personal"]
"""What is told of Olga on topics of which everybody has one of their own."""


async def happen(place: World) -> None:
    """Something happens to everything of Olga's, and to Olga."""
    services = place.services
    for access in Access:
        services.journal.put(MediaEvent("stream_updated", live(place, access)))
        services.journal.put(MediaEvent("listeners", live(place, access)))
        recording = await services.store.recording(access.value)
        await services.library.change(recording, RecordingChange(title=f"Talk {access}"))
        message = await place._message(access.value)
        await services.chat.remove(await services.chat.get(access.value, message), services.clock.wall())
        spoken = CaptionBatch({access.value: [caption(1)]}, {access.value: [SpeakerName("S1")]})
        await services.store.captions.save(spoken)
        await services.caption_desk.rename(access.value, "S1", new_id(), CaptionVersion.LIVE)
    await services.journal.settle()
    services.jobs._announce("job_progress", await services.store.jobs.get(await place._job()))
    services.uploads._announce("upload_updated", await services.store.uploads.get(await place._upload()))
    await services.community.presence._tell(place.owner)
    ruth = place.users["ruth"].id
    await services.community.friends.ask(ruth, place.owner)
    await services.community.friends.withdraw(ruth, place.owner)
    services.denoise.tell(DenoiserStatus("degraded", None, "", "The worker is down."))


async def events(place: World, page: aiohttp.ClientWebSocketResponse, role: str) -> dict[str, set[str]]:
    """Of whose access one hears, and what of Olga, by topic."""
    told: dict[str, set[str]] = {name: set() for name in TOPICS if name != "system"}
    if await subscribed(page, "system") != "yes":
        return told
    await happen(place)
    while True:
        event = await page.receive_json(timeout=30)
        kind, colon, subject = event.get("topic", "").partition(":")
        data = event["data"]
        match event["type"]:
            case "snapshot" | "heartbeat":
                continue
            case "degraded" if kind == "system":
                return told
            case "presence" if data["id"] == place.owner:
                told[kind].add(COMES)
                assert data["live"] is None or data["live"]["slug"].removeprefix("olga-") in sees(role)
            case "friend_request":
                told[kind].add(ASKS)
            case "notification":
                told[kind].add(NOTICE)
            case "job_progress":
                told[kind].add("job")
            case "upload_updated":
                told[kind].add("upload")
            case _ if colon:
                told[f"{kind}:"].add(subject.removeprefix(LIVE))
            case "stream_updated" | "listeners" | "recording_updated":
                told[kind].add(data["id"].removeprefix(LIVE))
        assert "you_own" not in data and "access" not in data


def live(place: World, access: Access) -> StreamInfo:
    """A stream of Olga's that goes on, as the media host tells of it."""
    return StreamInfo(
        LIVE + access, f"channel-{access}", place.owner, "Olga", "Talk", StreamState.LIVE,
        place.services.clock.wall(), DenoiseInfo(DenoiseMode.ABSENT, None, "off"), RecordingInfo(on=False),
    )  # fmt: skip
