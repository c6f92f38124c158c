"""Accounts: coming in, going out, and who one is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.people import PASSWORD, Town, town
from tests.web.test_routes import problem


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Town]:
    async with town(tmp_path / "data") as running:
        yield running


async def test_the_first_account_is_made_on_the_same_machine_and_inherits_what_was_there(place: Town) -> None:
    nobody = await place.client()
    async with nobody.get("/api/v1/auth") as response:
        assert await response.json() == {
            "accounts": True,
            "registration": "open",
            "first": True,
            "signed_in": False,
        }
    async with nobody.get("/api/v1/me") as response:
        await problem(response, 401)
    before = place.services.default_channel
    anna = await place.add("anna", display_name="Anna B.")
    assert (anna.me["administrator"], anna.me["role"]) == (True, "administrator")
    assert anna.channel == before.slug
    channel = await place.services.store.channel(before.id)
    assert (channel.owner, channel.host, channel.name) == (anna.id, "Anna B.", "Anna B.")
    assert place.services.default_channel == channel
    assert await place.read(anna.http) == anna.me
    async with anna.http.get("/api/v1/auth") as response:
        found = await response.json()
    assert (found["first"], found["signed_in"]) == (False, True)
    async with nobody.post("/api/v1/auth/first", json={"name": "ben", "password": PASSWORD}) as response:
        assert (await problem(response, 409))["code"] == "first-exists"


async def test_everybody_else_registers_signs_out_and_signs_in(place: Town) -> None:
    await place.add("anna")
    ben = await place.add("Ben", email="Ben@Example.org")
    assert (ben.me["administrator"], ben.me["name"], ben.me["channel"]) == (False, "ben", "ben")
    async with ben.http.post("/api/v1/auth/sign-out") as response:
        assert response.status == 204
    async with ben.http.get("/api/v1/me") as response:
        await problem(response, 401)
    for name in ("ben", "BEN", "ben@example.org"):
        async with ben.http.post("/api/v1/auth/sign-in", json={"name": name, "password": PASSWORD}) as response:
            assert response.status == 200
            assert (await response.json())["id"] == ben.id
    for wrong in ({"name": "ben", "password": "wrong"}, {"name": "nobody", "password": PASSWORD}):
        async with ben.http.post("/api/v1/auth/sign-in", json=wrong) as response:
            said = await problem(response, 401)
            assert (said["code"], said["detail"]) == ("wrong-credentials", "The name or the password is wrong.")


async def test_two_who_want_one_name_at_once_do_not_both_get_it(place: Town) -> None:
    await place.add("anna")
    clients = [await place.client() for _ in range(6)]

    async def register(number: int) -> int:
        wanted = {"name": ("Ben", "ben")[number % 2], "password": PASSWORD, "email": f"ben{number}@example.org"}
        async with clients[number].post("/api/v1/auth/register", json=wanted) as response:
            return response.status

    assert sorted(await asyncio.gather(*map(register, range(6)))) == [201, 409, 409, 409, 409, 409]
    assert await place.services.store.users.count() == 2


async def test_what_was_done_is_in_the_audit_log(place: Town) -> None:
    anna = await place.add("anna")
    nobody = await place.client()
    async with nobody.post("/api/v1/auth/sign-in", json={"name": "anna", "password": "wrong"}) as response:
        await problem(response, 401)
    await place.services.audit.settle()
    page = await place.services.store.audit.page()
    assert {(entry.action, entry.result, entry.actor_id, entry.subject) for entry in page.items} == {
        ("first-account", "ok", anna.id, anna.id),
        ("sign-in", "wrong-credentials", "", anna.id),
    }
    assert {entry.address for entry in page.items} == {"127.0.0.1"}
