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
from server.store.people_records import Access
from server.web.routing import Route
from server.web.server import ROUTES
from server.web.topics import TOPICS
from tests.accounts.world import LIVE, THINGS, World, ask, parts, world
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
    wrong = []
    async with aiohttp.ClientSession(place.place.url, cookie_jar=aiohttp.DummyCookieJar()) as http:
        for role in ROLES:
            thing, expected = THINGS.get(role, "private"), {name: row("topics", name)[role] for name in TOPICS}
            try:
                page = await http.ws_connect("/api/v1/events", headers=await place.headers(role))
            except aiohttp.WSServerHandshakeError as refused:
                found = dict.fromkeys(TOPICS, str(refused.status))
                wrong += [f"{role}: {name}: {found[name]}" for name in TOPICS if found[name] != expected[name]]
                continue
            found = {name: await subscribed(page, f"{name}{thing}" if name.endswith(":") else name) for name in TOPICS}
            for name in [name for name in TOPICS if found[name] == "404"]:
                assert await subscribed(page, f"{name}nothing") == "404"
            if found["system"] == "yes":
                told = await events(place, page)
                for name in [name for name in told if found[name] == "yes"]:
                    assert name in ("jobs", "uploads") or told[name] == sees(role), (role, name)
                    found[name] = "yes" if {thing, "job", "upload"} & told[name] else "none"
            wrong += [
                f"{role}: {name}: {found[name]} instead of {expected[name]}"
                for name in TOPICS
                if found[name] != expected[name]
            ]
            await page.close()
    assert wrong == [], "\n".join(wrong)


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


async def events(place: World, page: aiohttp.ClientWebSocketResponse) -> dict[str, set[str]]:
    """Something happens to everything of Olga's: of whose access one hears, by topic."""
    services = place.services
    for access in Access:
        services.journal.put(MediaEvent("stream_updated", live(place, access)))
        talk = RecordingChange(title=f"Talk {access}")
        await services.library.change(await services.store.recording(access.value), talk)
    await services.journal.settle()
    services.jobs._announce("job_progress", await services.store.jobs.get(await place._job()))
    services.uploads._announce("upload_updated", await services.store.uploads.get(await place._upload()))
    services.denoise.tell(DenoiserStatus("degraded", None, "", "The worker is down."))
    told: dict[str, set[str]] = {"streams": set(), "recordings": set(), "jobs": set(), "uploads": set()}
    while True:
        event = await page.receive_json(timeout=30)
        if event["topic"] == "system" and event["type"] == "degraded":
            return told
        if event["type"] in ("stream_updated", "recording_updated"):
            told[event["topic"]].add(event["data"]["id"].removeprefix(LIVE))
            assert "you_own" not in event["data"] and "access" not in event["data"]
        elif event["type"] == "job_progress":
            told["jobs"].add("job")
        elif event["type"] == "upload_updated":
            told["uploads"].add("upload")


def live(place: World, access: Access) -> StreamInfo:
    """A stream of Olga's that goes on, as the media host tells of it."""
    return StreamInfo(
        LIVE + access, f"channel-{access}", place.owner, "Olga", "Talk", StreamState.LIVE,
        place.services.clock.wall(), DenoiseInfo(DenoiseMode.ABSENT, None, "off"), RecordingInfo(on=False),
    )  # fmt: skip
