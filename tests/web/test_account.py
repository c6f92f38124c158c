"""One's own account over HTTP: profile, picture, password, sessions, invitations."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from PIL import Image

from server.accounts.passwords import Passwords
from server.errors import Unavailable
from tests.people import PASSWORD, Town, town
from tests.web.test_routes import problem


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Town]:
    async with town(tmp_path / "data", registration="invite") as running:
        yield running


async def send(http: aiohttp.ClientSession, method: str, path: str, status: int = 200, **options: Any) -> Any:
    """What a request answers, of which the status is known."""
    async with http.request(method, path, **options) as response:
        if status >= 400:
            return await problem(response, status)
        assert response.status == status, await response.text()
        return await response.json() if response.content_type == "application/json" else await response.read()


async def link_of(http: aiohttp.ClientSession, **values: Any) -> str:
    made = await send(http, "POST", "/api/v1/invitations", 201, json=values)
    page, _, secret = made["link"].partition("?invitation=")
    assert page == "/register"
    return str(secret)


def newcomer(name: str, invitation: str) -> dict[str, str]:
    return {"name": name, "password": PASSWORD, "invitation": invitation}


async def test_a_profile_is_changed_and_listeners_see_the_new_name(place: Town) -> None:
    anna = await place.add("anna")
    changed = await send(
        anna.http,
        "PATCH",
        "/api/v1/account/profile",
        json={"display_name": "Änna 🎧", "bio": " Two\r\nlines ", "preferences": {"language": "de", "push": True}},
    )
    assert (changed["display_name"], changed["bio"]) == ("Änna 🎧", "Two\nlines")
    again = await send(
        anna.http, "PATCH", "/api/v1/account/profile", json={"preferences": {"access": "public", "push": False}}
    )
    kept = again["preferences"]
    assert (kept["language"], kept["access"], kept["push"], kept["notify_live"]) == ("de", "public", False, True)
    assert (await place.read(anna.http)) == again
    channel = await send(anna.http, "GET", f"/api/v1/channels/{anna.channel}")
    assert channel["host"] == "Änna 🎧"
    await send(anna.http, "PATCH", "/api/v1/account/profile", 400, json={})
    await send(anna.http, "PATCH", "/api/v1/account/profile", 400, json={"preferences": {"access": "everybody"}})


async def test_what_is_changed_of_a_profile_stands_in_the_audit_log(place: Town) -> None:
    anna = await place.add("anna")
    ben = {"name": "ben", "password": PASSWORD, "email": "ben@example.org", "invitation": await link_of(anna.http)}
    await send(await place.client(), "POST", "/api/v1/auth/register", 201, json=ben)
    profile = {"display_name": "Änna", "bio": "Talks.", "preferences": {"access": "public"}}
    await send(anna.http, "PATCH", "/api/v1/account/profile", json=profile)
    await send(anna.http, "DELETE", "/api/v1/account/avatar", 204)
    taken = {"password": PASSWORD, "email": "BEN@example.org"}
    await send(anna.http, "POST", "/api/v1/account/email", 409, json=taken)
    await place.services.audit.settle()
    page = await place.services.store.audit.page(actor=anna.id)
    assert [(item.action, item.result, item.detail) for item in page.items[:3]] == [
        ("change-email", "name-taken", ""),
        ("change-profile", "ok", "no picture"),
        ("change-profile", "ok", "display_name, bio, preference access"),
    ]
    assert {item.address for item in page.items} == {"127.0.0.1"}


async def test_who_has_no_invitation_does_not_learn_which_addresses_are_taken(place: Town) -> None:
    anna = await place.add("anna", email="anna@example.org")
    invitation = await link_of(anna.http)
    said = []
    for email, link in (("anna@example.org", "cc_i_made_up"), ("nobody@example.org", "cc_i_made_up")):
        wanted = {**newcomer("cleo", link), "email": email}
        said.append(await send(await place.client(), "POST", "/api/v1/auth/register", 403, json=wanted))
    assert [item["code"] for item in said] == ["invitation", "invitation"]
    assert said[0]["detail"] == said[1]["detail"]
    wanted = {**newcomer("cleo", invitation), "email": "anna@example.org"}
    refused = await send(await place.client(), "POST", "/api/v1/auth/register", 409, json=wanted)
    assert refused["detail"] == "This name or e-mail address is taken."  # and not which of them
    await send(await place.client(), "POST", "/api/v1/auth/register", 201, json=newcomer("cleo", invitation))


async def test_a_picture_is_kept_small_and_shown_to_who_has_signed_in(place: Town) -> None:
    anna = await place.add("anna")
    assert anna.me["avatar"] is None
    data = io.BytesIO()
    Image.new("RGB", (900, 500), "green").save(data, "PNG")
    png = {"Content-Type": "image/png"}
    me = await send(anna.http, "PUT", "/api/v1/account/avatar", data=data.getvalue(), headers=png)
    shown = Image.open(io.BytesIO(await send(anna.http, "GET", me["avatar"])))
    assert (shown.format, shown.size) == ("JPEG", (256, 256))
    await send(await place.client(), "GET", me["avatar"], 401)
    await send(anna.http, "PUT", "/api/v1/account/avatar", 413, data=bytes(2_100_000), headers=png)
    await send(anna.http, "PUT", "/api/v1/account/avatar", 400, data=b"no picture", headers=png)
    await send(anna.http, "PUT", "/api/v1/account/avatar", 415, data=b"{}", headers={"Content-Type": "text/html"})
    assert (await place.read(anna.http))["avatar"] == me["avatar"]
    await send(anna.http, "DELETE", "/api/v1/account/avatar", 204)
    await send(anna.http, "GET", me["avatar"], 404)


async def test_another_password_signs_out_everybody_who_had_the_old_one(place: Town) -> None:
    anna = await place.add("anna")
    elsewhere = await place.again(anna)
    path, new = "/api/v1/account/password", "fourteen blue kites"
    assert (await send(anna.http, "POST", path, 403, json={"current": "x", "new": new}))["code"] == "wrong-password"
    assert (await send(anna.http, "POST", path, 400, json={"current": PASSWORD, "new": "anna1234"}))["code"] == (
        "weak-password"
    )
    before = anna.cookie
    await send(anna.http, "POST", path, json={"current": PASSWORD, "new": new})
    assert anna.cookie != before
    assert (await place.read(anna.http))["id"] == anna.id
    await send(elsewhere.http, "GET", "/api/v1/me", 401)
    nobody = await place.client()
    await send(nobody, "POST", "/api/v1/auth/sign-in", 401, json={"name": "anna", "password": PASSWORD})
    await send(nobody, "POST", "/api/v1/auth/sign-in", json={"name": "anna", "password": new})


async def test_an_older_hash_is_made_anew_when_somebody_signs_in(place: Town) -> None:
    anna = await place.add("anna")
    weak = Passwords(time_cost=2, memory_kib=16)
    table = place.services.store.users
    await table.change(anna.id, password=await weak.hash(PASSWORD))
    weak.close()
    before = await table.credentials(user_id=anna.id)
    await place.again(anna)
    after = await table.credentials(user_id=anna.id)
    assert before.password != after.password
    assert not place.services.accounts.passwords.stale(after.password)
    await place.again(anna)
    assert (await table.credentials(user_id=anna.id)).password == after.password


async def test_the_address_is_changed_with_the_password_and_is_nobody_elses(place: Town) -> None:
    anna = await place.add("anna", email="anna@example.org")
    ben = await place.add("ben", email="ben@example.org", invitation=await link_of(anna.http))
    path = "/api/v1/account/email"
    await send(ben.http, "POST", path, 403, json={"password": "wrong", "email": "b@example.org"})
    await send(ben.http, "POST", path, 409, json={"password": PASSWORD, "email": "ANNA@example.org"})
    await send(ben.http, "POST", path, 400, json={"password": PASSWORD, "email": "b"})
    assert (await place.read(ben.http))["email"] == "ben@example.org"
    assert (await send(ben.http, "POST", path, json={"password": PASSWORD, "email": None}))["email"] is None


async def test_sessions_are_listed_ended_and_extended(place: Town) -> None:
    anna = await place.add("anna")
    others = [await place.again(anna) for _ in range(3)]
    listed = (await send(anna.http, "GET", "/api/v1/account/sessions"))["items"]
    assert [item["current"] for item in listed].count(True) == 1
    assert {item["address"] for item in listed} == {"127.0.0.1"}
    theirs = (await send(others[0].http, "GET", "/api/v1/account/sessions"))["items"]
    (own,) = [item["id"] for item in theirs if item["current"]]
    await send(anna.http, "DELETE", f"/api/v1/account/sessions/{own}", 204)
    await send(anna.http, "DELETE", f"/api/v1/account/sessions/{own}", 404)
    await send(others[0].http, "GET", "/api/v1/me", 401)
    await send(others[1].http, "GET", "/api/v1/me")
    before = anna.cookie
    await send(anna.http, "POST", "/api/v1/account/sessions/extend", 403, json={"password": "wrong"})
    await send(anna.http, "POST", "/api/v1/account/sessions/extend", json={"password": PASSWORD})
    assert anna.cookie != before
    await send(anna.http, "POST", "/api/v1/account/sessions/end-others", 204)
    assert len((await send(anna.http, "GET", "/api/v1/account/sessions"))["items"]) == 1
    for other in others:
        await send(other.http, "GET", "/api/v1/me", 401)


async def test_an_invitation_lets_one_person_in_however_many_come_at_once(place: Town) -> None:
    anna = await place.add("anna")
    nobody = await place.client()
    refused = await send(nobody, "POST", "/api/v1/auth/register", 403, json={"name": "ben", "password": PASSWORD})
    assert refused["code"] == "invitation"
    secret = await link_of(anna.http, note="for Ben", days=1)
    (open_,) = (await send(anna.http, "GET", "/api/v1/invitations"))["items"]
    assert (open_["note"], open_["state"], "link" in open_) == ("for Ben", "open", False)
    clients = [await place.client() for _ in range(5)]

    async def come(number: int) -> int:
        wanted = newcomer(f"ben{number}", secret)
        async with clients[number].post("/api/v1/auth/register", json=wanted) as response:
            return response.status

    assert sorted(await asyncio.gather(*map(come, range(5)))) == [201, 403, 403, 403, 403]
    assert await place.services.store.users.count() == 2
    assert (await place.services.store.channels()).total == 2
    (used,) = (await send(anna.http, "GET", "/api/v1/invitations"))["items"]
    assert used["state"] == "used"
    assert (await place.services.store.users.get(used["used_by"])).name.startswith("ben")


async def test_invitations_that_have_expired_or_were_taken_back_let_nobody_in(
    place: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = await place.add("anna")
    late, withdrawn = await link_of(anna.http, days=2), await link_of(anna.http, note="x")
    listed = (await send(anna.http, "GET", "/api/v1/invitations"))["items"]
    (gone,) = [item["id"] for item in listed if item["note"] == "x"]
    ben = await place.add("ben", invitation=await link_of(anna.http))
    await send(ben.http, "DELETE", f"/api/v1/invitations/{gone}", 404)
    await send(anna.http, "DELETE", f"/api/v1/invitations/{gone}", 204)
    now = place.services.clock.wall()
    monkeypatch.setattr(place.services.clock, "wall", lambda: now + timedelta(days=3))
    nobody = await place.client()
    for secret in (late, withdrawn, "cc_i_" + "x" * 43, ""):
        found = await send(nobody, "POST", "/api/v1/auth/register", 403, json=newcomer("carl", secret))
        assert found["code"] == "invitation"
    assert await place.services.store.users.count() == 2


async def test_a_name_that_is_taken_uses_no_invitation_up(place: Town) -> None:
    anna = await place.add("anna")
    secret = await link_of(anna.http)
    nobody = await place.client()
    await send(nobody, "POST", "/api/v1/auth/register", 409, json=newcomer("ANNA", secret))
    await send(nobody, "POST", "/api/v1/auth/register", 201, json=newcomer("ben", secret))


async def test_a_server_that_is_closed_lets_nobody_in(tmp_path: Path) -> None:
    async with town(tmp_path / "data", registration="closed") as place:
        anna = await place.add("anna")
        await send(anna.http, "POST", "/api/v1/invitations", 403, json={})
        found = await send(await place.client(), "POST", "/api/v1/auth/register", 403, json=newcomer("ben", "cc_i_x"))
        assert found["code"] == "registration-closed"


async def test_streams_begin_as_their_publisher_prefers_unless_they_say_otherwise(
    place: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = await place.add("anna")
    chosen = {"language": "DE", "denoise": "bypassed", "captions": False, "recording": False, "vocabulary": "aiortc"}
    await send(anna.http, "PATCH", "/api/v1/account/profile", json={"preferences": chosen})
    grants: list[Any] = []

    async def publish(_offer: str, grant: Any) -> None:
        grants.append(grant)
        raise Unavailable("this is as far as the test goes")

    monkeypatch.setattr(place.services.media, "publish", publish)
    for query in ({}, {"language": "fr", "captions": "true", "record": "true", "vocabulary": "WHIP"}):
        options: Any = {"params": query, "data": "v=0", "headers": {"Content-Type": "application/sdp"}}
        await send(anna.http, "POST", f"/whip/{anna.channel}", 503, **options)
    assert [(grant.language, grant.captions, grant.record) for grant in grants] == [
        ("de", False, False),
        ("fr", True, True),
    ]
    assert [grant.vocabulary for grant in grants] == ["aiortc", "WHIP, aiortc"]
    assert {grant.denoise for grant in grants} == {"bypassed"}
