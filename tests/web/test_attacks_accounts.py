"""Attacks on accounts, one by one."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from server.accounts.gate import local_actor
from tests.accounts.test_avatars import png_of
from tests.people import PASSWORD, Town, town
from tests.web.test_account import send
from tests.web.test_routes import problem

SIGN_IN = "/api/v1/auth/sign-in"
REGISTER = "/api/v1/auth/register"


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Town]:
    async with town(tmp_path / "data") as running:
        yield running


async def raw(place: Town, head: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Send a request as it is written; status and JSON of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", place.server.port)
    text = json.dumps(body).encode()
    length = f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n"
    writer.write((head + length).encode() + text)
    async with asyncio.timeout(30):
        answer = await reader.read()
    writer.close()
    return int(answer.split()[1]), json.loads(answer.partition(b"\r\n\r\n")[2])


async def cookie_after_signing_in(place: Town, planted: str) -> Any:
    """What Anna's browser is given that has a cookie already."""
    http = await place.client(cookies={"clearcast_session": planted})
    async with http.post(SIGN_IN, json={"name": "anna", "password": PASSWORD}) as response:
        assert response.status == 200
        return response.cookies["clearcast_session"]


async def test_session_fixation(place: Town) -> None:
    """A cookie that an attacker planted is worth nothing once its browser signs in."""
    await place.add("anna")
    mallory = await place.add("mallory")
    planted = mallory.cookie
    given = await cookie_after_signing_in(place, planted)
    assert given.value != planted
    assert given["httponly"] and given["samesite"] == "Lax" and given["path"] == "/"
    await send(mallory.http, "GET", "/api/v1/me", 401)
    chosen = "cc_s_" + "A" * 43
    assert (await cookie_after_signing_in(place, chosen)).value != chosen


async def test_a_token_is_worth_nothing_after_signing_out(place: Town) -> None:
    anna = await place.add("anna")
    kept = anna.cookie
    await send(anna.http, "POST", "/api/v1/auth/sign-out", 204)
    async with aiohttp.ClientSession(place.url, cookies={"clearcast_session": kept}) as replay:
        await send(replay, "GET", "/api/v1/me", 401)
        await send(replay, "GET", "/api/v1/account/sessions", 401)


@pytest.mark.parametrize(
    "cookie",
    [
        "clearcast_session=cc_s_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        pytest.param("clearcast_session=" + "x" * 8_000, id="long"),
        'clearcast_session="a\\000b"',
        "clearcast_session=; clearcast_session=cc_s_",
        "clearcast_session=cc_s_' OR 1=1 --",
        "=;=;;;==",
        "clearcast_session=\xff\xfe",
    ],
)
async def test_cookies_of_other_installations_and_forged_ones_are_nobodys(place: Town, cookie: str) -> None:
    await place.add("anna")
    reader, writer = await asyncio.open_connection("127.0.0.1", place.server.port)
    head = f"GET /api/v1/me HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nCookie: {cookie}\r\n\r\n"
    writer.write(head.encode("latin-1"))
    async with asyncio.timeout(30):
        answer = await reader.read()
    writer.close()
    assert int(answer.split()[1]) in (400, 401)
    assert b"Traceback" not in answer


async def test_user_enumeration_by_text(place: Town) -> None:
    """An unknown name, a wrong password, a disabled account: all the same to who does not know the password."""
    await place.add("anna")
    ben = await place.add("ben")
    await place.services.accounts.administration.disable(local_actor(), ben.id, True, "")
    nobody, answers = await place.client(), []
    for name in ("anna", "ben", "carl", "anna@example.org", "\u202eanna"):
        found = await send(nobody, "POST", SIGN_IN, 401, json={"name": name, "password": "wrong"})
        answers.append(found)
    assert all(answer == answers[0] for answer in answers)


async def test_user_enumeration_by_throttle(place: Town) -> None:
    """Whether a name exists does not show in how often it may be tried, either."""
    await place.add("anna")
    for name in ("anna", "carl"):
        nobody, seen = await place.client(), []
        for _ in range(7):
            async with nobody.post(SIGN_IN, json={"name": name, "password": "wrong"}) as response:
                seen.append((response.status, "Retry-After" in response.headers))
        assert seen == [(401, False)] * 5 + [(429, True)] * 2


async def test_user_enumeration_by_time(place: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """As much is hashed for a name that nobody has as for one that somebody has."""
    await place.add("anna")
    hashed: list[str] = []
    passwords = place.services.accounts.passwords
    verify = passwords._verify

    def counted(stored: str, password: str) -> bool:
        hashed.append(stored.rsplit("$", 2)[0])
        return bool(verify(stored, password))

    monkeypatch.setattr(passwords, "_verify", counted)
    nobody = await place.client()
    for name in ("anna", "carl", "x@example.org", "\u202e", "a" * 900):
        await send(nobody, "POST", SIGN_IN, 401, json={"name": name, "password": "wrong"})
    assert len(hashed) == 5 and len(set(hashed)) == 1  # with the same parameters


@pytest.mark.parametrize(
    "more",
    [
        {"administrator": True},
        {"role": "administrator"},
        {"id": "anna"},
        {"created_at": "2000-01-01T00:00:00Z"},
        {"disabled_at": None},
        {"preferences": {"administrator": True}},
        {"channel": "somebody-elses"},
    ],
)
async def test_mass_assignment(place: Town, more: dict[str, Any]) -> None:
    await place.add("anna")
    mallory = await place.add("mallory")
    nobody = await place.client()
    await send(nobody, "POST", REGISTER, 400, json={"name": "carl", "password": PASSWORD, **more})
    await send(mallory.http, "PATCH", "/api/v1/account/profile", 400, json={"bio": "x", **more})
    assert await place.read(mallory.http) == mallory.me
    assert await place.services.store.users.count() == 2


async def test_image_bomb_as_avatar(place: Town) -> None:
    anna = await place.add("anna")
    for data in (png_of(30_000, 30_000), png_of(5_000, 5_000), b"PK\x03\x04" + bytes(1000), b"GIF89a" + b"\xff" * 500):
        headers = {"Content-Type": "image/png"}
        async with anna.http.put("/api/v1/account/avatar", data=data, headers=headers) as response:
            assert response.status in (400, 413)
    assert (await place.read(anna.http))["avatar"] is None


async def test_zip_bomb_as_avatar(place: Town) -> None:
    """A body that says it is compressed is not unpacked beyond its limit."""
    anna = await place.add("anna")
    packed = await asyncio.to_thread(gzip.compress, bytes(200 << 20))
    headers = {"Content-Type": "image/png", "Content-Encoding": "gzip"}
    async with anna.http.put("/api/v1/account/avatar", data=packed, headers=headers) as response:
        assert response.status == 413


@pytest.mark.parametrize(
    "text", ["Anna\r\nSet-Cookie: x=1", "a\nb", "a\0b", "\ud800", pytest.param("A" * 1_000_000, id="1 MB")]
)
async def test_header_injection_and_huge_names(place: Town, text: str) -> None:
    anna = await place.add("anna")
    nobody = await place.client()
    for body in ({"name": text}, {"name": "carl", "display_name": text}, {"name": "carl", "email": text}):
        body |= {"password": PASSWORD}
        async with nobody.post(
            REGISTER, data=json.dumps(body), headers={"Content-Type": "application/json"}
        ) as response:
            await problem(response, 413 if len(text) > 100_000 else 400)
            assert "x" not in response.cookies
    body = {"display_name": text}
    async with anna.http.patch(
        "/api/v1/account/profile", data=json.dumps(body), headers={"Content-Type": "application/json"}
    ) as response:
        assert response.status in (400, 413)
    assert await place.services.store.users.count() == 1


@pytest.mark.parametrize("text", ["' OR '1'='1", "anna'--", "%", "_", "anna\\", '"; DROP TABLE users; --'])
async def test_sql_injection_in_names_and_passwords(place: Town, text: str) -> None:
    anna = await place.add("anna")
    nobody = await place.client()
    for body in ({"name": text, "password": PASSWORD}, {"name": "anna", "password": text}):
        await send(nobody, "POST", SIGN_IN, 401, json=body)
    assert await place.read(anna.http) == anna.me


async def test_registration_race_for_the_first_account(place: Town) -> None:
    clients = [await place.client() for _ in range(5)]

    async def come(number: int) -> int:
        wanted = {"name": f"user{number}", "password": PASSWORD}
        async with clients[number].post("/api/v1/auth/first", json=wanted) as response:
            return response.status

    assert sorted(await asyncio.gather(*map(come, range(5)))) == [201, 409, 409, 409, 409]
    assert [user.administrator for user in (await place.services.store.users.page()).items] == [True]


async def test_the_first_account_is_not_made_from_afar(tmp_path: Path) -> None:
    """Through a proxy, by a name that somebody made point here (DNS rebinding), or with a wrong token: no."""
    async with town(tmp_path / "data", host="0.0.0.0") as place:
        wanted = {"name": "mallory", "password": PASSWORD}
        line = "POST /api/v1/auth/first HTTP/1.1\r\n"
        for head in (
            "Host: localhost\r\nX-Forwarded-For: 203.0.113.7\r\n",
            "Host: localhost\r\nForwarded: for=203.0.113.7\r\n",
            "Host: localhost\r\nX-Real-IP: 127.0.0.1\r\n",
            "Host: evil.example\r\n",
            "Host: evil.example\r\nOrigin: http://evil.example\r\n",
            "Host: localhost.evil.example\r\n",
        ):
            status, said = await raw(place, line + head, wanted)
            assert (status, said["code"]) == (403, "first-token"), head
            assert (await raw(place, line + head, wanted | {"token": "cc_f_" + "x" * 43}))[0] == 403
        link = await place.services.first.link()
        token = link.partition("?token=")[2]
        status, me = await raw(place, line + "Host: radio.example\r\n", wanted | {"token": token, "name": "anna"})
        assert (status, me["administrator"]) == (201, True)
        status, said = await raw(place, line + "Host: radio.example\r\n", wanted | {"token": token})
        assert (status, said["code"]) == (409, "first-exists")


async def test_cross_site_request_forgery_of_signing_in(place: Town) -> None:
    """Another site cannot sign a visitor in as somebody else, nor out."""
    anna = await place.add("anna")
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        for path in (SIGN_IN, REGISTER, "/api/v1/auth/sign-out", "/api/v1/account/sessions/end-others"):
            async with anna.http.post(path, json={"name": "anna", "password": PASSWORD}, headers=headers) as response:
                assert (await problem(response, 403))["code"] == "cross-origin"
    assert (await place.read(anna.http))["id"] == anna.id


async def test_open_redirect(place: Town) -> None:
    """Nothing about accounts sends anybody anywhere else."""
    await place.add("anna")
    nobody = await place.client()
    for path in ("/sign-in", "/register", "/first", SIGN_IN, REGISTER):
        for name in ("next", "redirect", "return_to", "url"):
            for method in ("GET", "POST"):
                async with nobody.request(
                    method,
                    path,
                    params={name: "//evil.example"},
                    json={"name": "x", "password": "y"} if method == "POST" else None,
                    allow_redirects=False,
                ) as response:
                    assert not 300 <= response.status < 400 and "Location" not in response.headers


async def test_what_is_somebody_elses_answers_like_what_is_not_there(place: Town) -> None:
    anna, mallory = await place.add("anna"), await place.add("mallory")
    made = await send(anna.http, "POST", "/api/v1/invitations", 201, json={})
    (session,) = (await send(anna.http, "GET", "/api/v1/account/sessions"))["items"]
    for path in (f"/api/v1/account/sessions/{session['id']}", f"/api/v1/invitations/{made['id']}"):
        theirs = await send(mallory.http, "DELETE", path, 404)
        nothing = await send(mallory.http, "DELETE", path.rpartition("/")[0] + "/nothing", 404)
        assert theirs == nothing
    await place.read(anna.http)


async def test_no_password_and_no_token_is_in_the_log(place: Town, capsys: pytest.CaptureFixture[str]) -> None:
    anna = await place.add("anna")
    nobody = await place.client()
    await send(nobody, "POST", SIGN_IN, 401, json={"name": "anna", "password": "a wrong secret"})
    made = await send(anna.http, "POST", "/api/v1/invitations", 201, json={})
    shown = capsys.readouterr()
    for secret in (PASSWORD, "a wrong secret", anna.cookie, made["link"].partition("=")[2]):
        assert secret not in shown.out + shown.err
