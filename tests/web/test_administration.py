"""What administrators see and do, and nobody else."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from server.web.server import ROUTES
from tests.people import PASSWORD, Person, Town, town
from tests.web.test_live_captions import ask
from tests.web.test_routes import problem

ADMIN = [route for route in ROUTES if route.path.startswith("/api/v1/admin/")]


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[tuple[Town, Person, Person]]:
    async with town(tmp_path / "data", database_url=None) as built:
        yield built, await built.add("ruth"), await built.add("ben")


Place = tuple[Town, Person, Person]


async def sign_in(built: Town, name: str, password: str = PASSWORD) -> Any:
    http = await built.client()
    async with http.post("/api/v1/auth/sign-in", json={"name": name, "password": password}) as response:
        return http, response.status


async def test_nobody_else_gets_in(place: Place) -> None:
    built, _, ben = place
    assert len(ADMIN) >= 8
    stranger = await built.client()
    for route in ADMIN:
        path = route.path.replace("{id}", ben.id)
        async with ben.http.request(route.method, path, json={"administrator": True}) as response:
            await problem(response, 403)
        async with stranger.request(route.method, path, json={"administrator": True}) as response:
            await problem(response, 401)


async def test_accounts_are_found_disabled_and_let_in_again(place: Place) -> None:
    built, ruth, ben = place
    page = await ask(ruth.http, "GET", "/api/v1/admin/users?limit=1")
    rest = await ask(ruth.http, "GET", f"/api/v1/admin/users?cursor={page['next']}")
    assert [item["name"] for item in page["items"] + rest["items"]] == ["ruth", "ben"]
    assert "password" not in page["items"][0]
    found = await ask(ruth.http, "GET", "/api/v1/admin/users?search=EN")
    assert [item["id"] for item in found["items"]] == [ben.id]
    assert (await ask(ruth.http, "GET", "/api/v1/admin/users?search=%25"))["total"] == 0

    shown = await ask(ruth.http, "PATCH", f"/api/v1/admin/users/{ben.id}", {"disabled": True})
    assert shown["disabled_at"] is not None
    async with ben.http.get("/api/v1/me") as response:
        await problem(response, 401)
    assert (await sign_in(built, "ben"))[1] == 403
    await ask(ruth.http, "PATCH", f"/api/v1/admin/users/{ben.id}", {"disabled": False})
    assert (await sign_in(built, "ben"))[1] == 200
    for body in ({}, {"disabled": True, "administrator": True}, {"id": "x"}):
        async with ruth.http.patch(f"/api/v1/admin/users/{ben.id}", json=body) as response:
            await problem(response, 400)
    async with ruth.http.patch("/api/v1/admin/users/nobody", json={"disabled": True}) as response:
        await problem(response, 404)


async def test_somebody_gets_more_room_less_or_no_limit(place: Place) -> None:
    _, ruth, ben = place
    path = f"/api/v1/admin/users/{ben.id}"
    for wanted, kept, limit in ((2.5, 2_500_000_000, 2_500_000_000), (0, 0, None), (None, None, None)):
        assert (await ask(ruth.http, "PATCH", path, {"quota_gb": wanted}))["quota_bytes"] == kept
        storage = await ask(ben.http, "GET", "/api/v1/account/storage")
        assert storage == {"used_bytes": 0, "quota_bytes": limit, "bin_bytes": 0, "uploads_bytes": 0}
    async with ruth.http.patch(path, json={"quota_gb": -1}) as response:
        await problem(response, 400)


async def test_somebody_always_administers(place: Place) -> None:
    _, ruth, ben = place
    for body in ({"administrator": False}, {"disabled": True}):
        async with ruth.http.patch(f"/api/v1/admin/users/{ruth.id}", json=body) as response:
            assert (await problem(response, 409))["code"] == "last-administrator"
    await ask(ruth.http, "PATCH", f"/api/v1/admin/users/{ben.id}", {"administrator": True})
    assert (await ask(ben.http, "GET", "/api/v1/me"))["administrator"] is True
    await ask(ben.http, "PATCH", f"/api/v1/admin/users/{ruth.id}", {"administrator": False})
    async with ruth.http.get("/api/v1/admin/users") as response:
        await problem(response, 403)


async def test_a_password_is_reset_and_ends_what_was_signed_in(place: Place) -> None:
    built, ruth, ben = place
    fresh = (await ask(ruth.http, "POST", f"/api/v1/admin/users/{ben.id}/reset-password"))["password"]
    async with ben.http.get("/api/v1/me") as response:
        await problem(response, 401)
    assert (await sign_in(built, "ben"))[1] == 401
    assert (await sign_in(built, "ben", fresh))[1] == 200


async def test_the_audit_log_is_read_filtered_and_exported(place: Place) -> None:
    built, ruth, ben = place
    await sign_in(built, "ben", "not the password")
    await ask(ruth.http, "PATCH", f"/api/v1/admin/users/{ben.id}", {"disabled": True})
    newest = (await ask(ruth.http, "GET", "/api/v1/admin/audit?limit=2"))["items"]
    assert [(item["action"], item["subject"], item["result"]) for item in newest] == [
        ("disable-user", ben.id, "ok"),
        ("sign-in", ben.id, "wrong-credentials"),
    ]
    assert (newest[0]["actor_id"], newest[0]["address"]) == (ruth.id, "127.0.0.1")
    mine = await ask(ruth.http, "GET", f"/api/v1/admin/audit?actor={ruth.id}&action=disable-user")
    assert mine["total"] == 1
    later = await ask(ruth.http, "GET", "/api/v1/admin/audit?since=2999-01-01T00:00:00Z")
    assert later["items"] == []
    async with ruth.http.get("/api/v1/admin/audit.jsonl?action=sign-in") as response:
        assert response.headers["Content-Type"].startswith("application/jsonl")
        lines = [json.loads(line) for line in (await response.text()).splitlines()]
    assert [line["result"] for line in lines] == ["wrong-credentials"]
    text = json.dumps(await ask(ruth.http, "GET", "/api/v1/admin/audit"))
    assert "not the password" not in text
    assert PASSWORD not in text


async def test_the_server_shows_how_it_is_without_its_secrets(tmp_path: Path) -> None:
    turn = '{"urls": "turn:turn.example:3478", "username": "u5er", "credential": "h1dden-credential"}'
    async with town(tmp_path / "data", ice_servers=turn) as built:
        ruth = await built.add("ruth")
        shown = await ask(ruth.http, "GET", "/api/v1/admin/overview")
        assert shown["components"]["database"]["state"] == "ok"
        settings = {item["name"]: item for item in shown["settings"]}
        assert (settings["CLEARCAST_PORT"]["value"], settings["CLEARCAST_MAX_STREAMS"]["default"]) == (0, True)
        assert settings["CLEARCAST_ICE_SERVERS"]["value"] == [{"urls": "turn:turn.example:3478", "credential": True}]
        assert "h1dden" not in json.dumps(shown)
        room = await ask(ruth.http, "GET", "/api/v1/admin/storage")
        assert room["free_bytes"] > 0
        assert (room["recordings"], room["owners"]) == (0, [])
        assert (await ask(ruth.http, "GET", "/api/v1/admin/streams"))["items"] == []
        assert (await ask(ruth.http, "GET", "/api/v1/admin/jobs"))["items"] == []
