"""Accounts: coming in, going out, and who one is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from server.store.records import Job, Recording, StoredStream, VoicePrint
from tests.people import PASSWORD, Town, town
from tests.store.rows import channel
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


async def test_the_first_account_has_all_that_the_one_local_user_had(tmp_path: Path) -> None:
    async with town(tmp_path / "data", accounts=False) as place:
        store, home, now = place.services.store, place.services.default_channel, place.services.clock.wall()
        await store.save_stream(StoredStream("talk", home.id, "local", home.host, "Talk", "ended", now, now, length=1))
        await store.save_recording(Recording("talk", "talk", "Talk", "", "", "", "", now, "ready"))
        await store.voices.learn("local", "Anna", [VoicePrint("model", np.ones(2, np.float32), 9.0)], now)
        await store.jobs.add(Job("job", "final-pass", "talk", "local", now, state="done"))
    async with town(tmp_path / "data") as place:
        anna = await place.add("anna")
        store = place.services.store
        assert (await store.stream("talk")).owner == (await store.recording("talk")).owner == anna.id
        assert [voice.name for voice in (await store.voices.page(anna.id)).items] == ["Anna"]
        assert "job" in {job.id for job in (await store.jobs.page(anna.id)).items}
        await place.add("ben")
    async with town(tmp_path / "data", accounts=False) as place:  # off for a while, and on again
        await place.services.store.add_channel(channel("meanwhile"))
        assert (await place.read(await place.client()))["role"] == "local"
    async with town(tmp_path / "data") as place:
        assert (await place.services.store.channel_by_slug("meanwhile")).owner == anna.id


async def test_channels_of_new_people_have_addresses_of_their_own(place: Town) -> None:
    await place.add("anna")
    await place.services.store.add_channel(channel("ben"))
    ben, tiger, han = await place.add("ben"), await place.add("b.e.n"), await place.add("李小龍")
    assert (ben.channel, tiger.channel) == ("ben-2", "b-e-n")
    assert han.channel.startswith("channel-")
    assert len({person.id for person in (ben, tiger, han)}) == 3


async def test_without_accounts_there_is_nothing_to_sign_in_to(tmp_path: Path) -> None:
    async with town(tmp_path / "data", accounts=False) as place:
        nobody = await place.client()
        found = await place.read(nobody)
        assert (found["id"], found["role"], found["administrator"], found["email"]) == ("local", "local", True, None)
        wanted = {"name": "anna", "password": PASSWORD}
        for path in ("register", "first", "sign-in"):
            async with nobody.post(f"/api/v1/auth/{path}", json=wanted) as response:
                assert (await problem(response, 409))["code"] == "no-accounts"
        assert place.server.first_link is None


async def test_behind_tls_the_cookie_is_for_this_host_alone(tmp_path: Path) -> None:
    async with town(tmp_path / "data") as place:
        place.services.secure = True
        nobody = await place.client()
        async with nobody.post("/api/v1/auth/first", json={"name": "anna", "password": PASSWORD}) as response:
            given = response.cookies["__Host-clearcast_session"]
        assert given["secure"] and given["httponly"] and given["path"] == "/" and not given["domain"]
        plain = await place.client(cookies={"clearcast_session": given.value})
        async with plain.get("/api/v1/me") as response:
            await problem(response, 401)  # a plain connection may have set that
