"""Attacks, each by its name, on a whole server with people in it.

Those on tokens by themselves are in tests/accounts/test_signing.py and test_tokens.py; those on passwords and pictures
are beside what they attack.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from server.accounts.actions import RULES, Action, Rule
from server.web import body
from server.web.pages import static_dir
from server.web.routing import Route
from server.web.server import ROUTES
from tests.people import PASSWORD, Person, Town, town
from tests.web.test_routes import name as route_name
from tests.web.test_routes import problem

EVIL = "https://evil.example"
SQL = (
    "' OR '1'='1",
    "'; DROP TABLE users; --",
    '" OR ""="',
    "1) UNION SELECT password FROM users --",
    "%' --",
    "\\' OR 1=1#",
)
WITH_BODY = [route for route in ROUTES if route.body is not None]


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Town]:
    async with town(tmp_path / "data") as running:
        yield running


@pytest.fixture
async def anna(place: Town) -> Person:
    return await place.add("anna")


async def status_of(http: aiohttp.ClientSession, method: str, path: str, **options: Any) -> int:
    async with http.request(method, path, **options) as response:
        await response.read()
        assert response.status < 500, (method, path, response.status)
        return response.status


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


async def tokens_of(place: Town, who: str = "anna") -> dict[str, Any]:
    http = await place.client()
    async with http.post("/api/v1/auth/token", json={"name": who, "password": PASSWORD}) as response:
        assert response.status == 200
        found: dict[str, Any] = await response.json()
        return found


def address(route: Route, value: str = "nothing-of-the-kind") -> str:
    return re.sub(r"\{\w+(:[^}]*)?\}", value, route.path)


# ---- sessions and tokens


async def test_attack_session_fixation(place: Town, anna: Person) -> None:
    victim = await place.client()
    planted = (await place.again(anna)).cookie  # a session that the attacker knows
    victim.cookie_jar.update_cookies({"clearcast_session": planted})
    async with victim.post("/api/v1/auth/sign-in", json={"name": "anna", "password": PASSWORD}) as response:
        fresh = response.cookies["clearcast_session"].value
    assert fresh != planted
    attacker = await place.client()
    assert await status_of(attacker, "GET", "/api/v1/me", headers={"Cookie": f"clearcast_session={planted}"}) == 401
    invented = {"Cookie": "clearcast_session=cc_s_" + "A" * 43}
    assert await status_of(attacker, "GET", "/api/v1/me", headers=invented) == 401


async def test_attack_replay_after_signing_out(place: Town, anna: Person) -> None:
    stolen = {"Cookie": f"clearcast_session={anna.cookie}"}
    given = await tokens_of(place)
    thief = await place.client()
    assert await status_of(thief, "GET", "/api/v1/me", headers=stolen) == 200
    assert await status_of(anna.http, "POST", "/api/v1/auth/sign-out") == 204
    assert await status_of(thief, "GET", "/api/v1/me", headers=stolen) == 401
    assert await status_of(thief, "GET", "/api/v1/me", headers=bearer(given["access_token"])) == 200
    revoke = {"refresh_token": given["refresh_token"]}
    assert await status_of(thief, "POST", "/api/v1/auth/token/revoke", json=revoke) == 204
    assert await status_of(thief, "GET", "/api/v1/me", headers=bearer(given["access_token"])) == 401
    assert await status_of(thief, "POST", "/api/v1/auth/token", json=revoke) == 401


async def test_attack_refresh_token_reuse(place: Town, anna: Person) -> None:
    http, given = await place.client(), await tokens_of(place)
    async with http.post("/api/v1/auth/token", json={"refresh_token": given["refresh_token"]}) as response:
        fresh = await response.json()
    assert await status_of(http, "GET", "/api/v1/me", headers=bearer(fresh["access_token"])) == 200
    assert await status_of(http, "POST", "/api/v1/auth/token", json={"refresh_token": given["refresh_token"]}) == 401
    assert await status_of(http, "GET", "/api/v1/me", headers=bearer(fresh["access_token"])) == 401
    assert await status_of(http, "POST", "/api/v1/auth/token", json={"refresh_token": fresh["refresh_token"]}) == 401


async def test_attack_jwt_without_algorithm_and_with_confused_keys(place: Town, anna: Person) -> None:
    http, token = await place.client(), (await tokens_of(place))["access_token"]
    header, claims = jwt.get_unverified_header(token), jwt.decode(token, options={"verify_signature": False})

    def segment(values: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")

    public = place.services.tokens._signing._keys[-1].private.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    forged = [f"{segment(header | {'alg': name})}.{segment(claims)}." for name in ("none", "None", "NONE")]
    for secret in (pem, public.public_bytes_raw()):
        signed = f"{segment(header | {'alg': 'HS256'})}.{segment(claims | {'scope': 'administer'})}"
        digest = hmac.new(secret, signed.encode(), "sha256").digest()
        forged.append(f"{signed}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}")
    head, _, signature = token.split(".")
    forged.append(f"{head}.{segment(claims | {'sub': 'somebody-else'})}.{signature}")
    for text in forged:
        assert await status_of(http, "GET", "/api/v1/me", headers=bearer(text)) == 401
    assert await status_of(http, "GET", "/api/v1/me", headers=bearer(token)) == 200


async def test_attack_credentials_of_another_installation(place: Town, anna: Person, tmp_path: Path) -> None:
    given = await tokens_of(place)
    _, key = await place.services.keys.create(await place.services.store.users.get(anna.id), "x", ["read"])
    async with town(tmp_path / "other") as other:
        await other.add("anna")
        stranger = await other.client()
        cookie = {"Cookie": f"clearcast_session={anna.cookie}"}
        async with stranger.get("/api/v1/me", headers=cookie) as response:
            assert (await problem(response, 401))["code"] == "not-authenticated"
        for text in (given["access_token"], key, given["refresh_token"]):
            async with stranger.get("/api/v1/me", headers=bearer(text)) as response:
                said = await problem(response, 401)
            assert said["code"] == "not-authenticated" and text not in said["detail"]
        refresh = {"refresh_token": given["refresh_token"]}
        assert await status_of(stranger, "POST", "/api/v1/auth/token", json=refresh) == 401
    assert await status_of(await place.client(), "GET", "/api/v1/me", headers=bearer(key)) == 200


# ---- other sites


async def test_attack_csrf(place: Town, anna: Person) -> None:
    change = json.dumps({"name": "Forged"})
    for headers in (
        {"Origin": EVIL},
        {"Origin": "null"},
        {"Origin": f"{place.url}.evil.example"},
        {"Origin": f"http://evil.example:{place.server.port}"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        sent = headers | {"Content-Type": "application/json"}
        assert await status_of(anna.http, "POST", "/api/v1/channels", data=change, headers=sent) == 403
        assert await status_of(anna.http, "POST", "/api/v1/auth/sign-out", headers=headers) == 403
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):  # what a form can send
        headers = {"Content-Type": kind}
        assert await status_of(anna.http, "POST", "/api/v1/channels", data=change, headers=headers) == 415
    async with anna.http.get("/api/v1/channels") as response:
        assert "Forged" not in await response.text()
    cookie = next(iter((await place.again(anna)).http.cookie_jar))
    assert cookie["samesite"] == "Lax" and cookie["httponly"]


async def test_attack_cross_origin_websocket(place: Town, anna: Person) -> None:
    for origin in (EVIL, "null", "http://localhost.evil.example"):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await anna.http.ws_connect("/api/v1/events", origin=origin)
        assert refused.value.status == 403
    socket = await anna.http.ws_connect("/api/v1/events", origin=place.url)
    await socket.close()


async def test_attack_dns_rebinding(place: Town, anna: Person) -> None:
    for host in (
        "evil.example",
        f"evil.example:{place.server.port}",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
    ):
        for path in ("/", "/api/v1/me", "/api/v1/auth"):
            assert await status_of(anna.http, "GET", path, headers={"Host": host}) == 421


async def test_other_sites_are_let_in_where_the_settings_list_them_and_nowhere_else(tmp_path: Path) -> None:
    asks = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization"}
    async with town(tmp_path / "data", cors_origins="https://radio.example") as place:
        http = await place.client()
        for origin, listed in (("https://radio.example", True), (EVIL, False), ("null", False)):
            for path in ("/api/v1/channels", "/whip/studio", "/whep/studio"):
                async with http.options(path, headers={"Origin": origin, **asks}) as response:
                    assert (response.headers.get("Access-Control-Allow-Origin") == origin) is listed
                    assert response.status == 204 if listed else response.status in (204, 405)
            async with http.get("/api/v1/auth", headers={"Origin": origin}) as response:
                assert ("Access-Control-Allow-Origin" in response.headers) is listed
                assert "Access-Control-Allow-Credentials" not in response.headers


async def test_attack_open_redirect(place: Town) -> None:
    http = await place.client()
    for path in ("//evil.example", "/%5Cevil.example", "/sign-in?next=https://evil.example", "/static//evil.example"):
        async with http.get(f"{place.url}{path}", allow_redirects=False) as response:
            assert response.status not in range(300, 400) and "Location" not in response.headers


# ---- input


async def test_attack_path_traversal(place: Town, anna: Person) -> None:
    secret = (place.server.settings.data_dir / "keys.json").read_text()[:30]
    up = (
        "../../data/keys.json",
        "..%2f..%2fdata%2fkeys.json",
        "%2e%2e/%2e%2e/data/keys.json",
        "....//keys.json",
        "%00",
    )
    for base in ("/static/", "/api/v1/recordings/", "/api/v1/streams/", "/listen/"):
        for path in up:
            reader, writer = await asyncio.open_connection("127.0.0.1", place.server.port)
            head = f"GET {base}{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            writer.write(f"{head}Cookie: clearcast_session={anna.cookie}\r\n\r\n".encode())
            answer = (await asyncio.wait_for(reader.read(), 30)).decode("utf-8", "replace")
            writer.close()
            assert answer.split()[1] in ("400", "404") and secret not in answer, (base, path)


@pytest.mark.parametrize("where", ["paths", "queries", "bodies"])
async def test_attack_sql_injection(place: Town, anna: Person, where: str) -> None:
    before = await place.services.store.users.count()
    for route in ROUTES:
        if route.method == "OPTIONS" or route.path.endswith(("/events", "sign-out")) or "/end-others" in route.path:
            continue
        for text in SQL[:: 1 if where == "bodies" else 3]:
            path, query, sent = address(route), {}, None
            if where == "paths":
                path = address(route, quote(text, safe=""))
            elif where == "queries" and route.query is not None:
                query = dict.fromkeys(route.query.model_fields, text)
            elif where == "bodies" and route.body is not None:
                sent = dict.fromkeys(route.body.model_fields, text)
            else:
                break
            await status_of(anna.http, route.method, path, params=query, json=sent)
    assert await place.services.store.users.count() == before
    assert (await place.read(anna.http))["id"] == anna.id


async def test_attack_mass_assignment(place: Town, anna: Person) -> None:
    ben = await place.add("ben")
    more = {"administrator": True, "role": "administrator", "id": anna.id}
    account = {"name": "eve", "password": PASSWORD, **more}
    assert await status_of(await place.client(), "POST", "/api/v1/auth/register", json=account) == 400
    for field, value in more.items():
        assert await status_of(ben.http, "PATCH", "/api/v1/account/profile", json={field: value}) == 400
        assert await status_of(ben.http, "POST", "/api/v1/channels", json={"name": "x", field: value}) == 400
    assert (await place.read(ben.http))["administrator"] is False


async def test_attack_header_injection(place: Town, anna: Person) -> None:
    evil = "a\r\nSet-Cookie: stolen=1\r\n\r\n<script>"
    for path in ("/api/v1/channels", "/api/v1/account/keys"):
        assert await status_of(anna.http, "POST", path, json={"name": evil, "scopes": ["read"]}) == 400
    whip = f"/whip/{anna.channel}"
    headers = {"Content-Type": "application/sdp"}
    assert await status_of(anna.http, "POST", whip, params={"title": evil}, data="v=0", headers=headers) == 400
    for header in ("Origin", "X-Forwarded-For", "X-Request-Id", "User-Agent"):
        async with anna.http.get("/api/v1/me", headers={header: "x\tSet-Cookie: stolen=1"}) as response:
            assert "stolen" not in str(response.headers)
    async with anna.http.get("/api/v1/streams/%0d%0aSet-Cookie:%20stolen=1") as response:
        assert "stolen" not in str(response.headers) and response.status == 404


async def test_attack_slowloris_with_a_body(place: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "BODY_TIMEOUT", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", place.server.port)
    head = b"POST /api/v1/auth/sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    writer.write(head + b"Content-Length: 5000\r\nConnection: close\r\n\r\n")
    answer = asyncio.ensure_future(reader.readline())
    async with asyncio.timeout(30):
        while not answer.done():
            writer.write(b" ")
            await asyncio.sleep(0.02)
        assert b" 408 " in await answer
        writer.write(b" " * 5000)  # what comes later is read and thrown away
        assert b'"code": "too-slow"' in await reader.read()
    writer.close()


async def test_attack_ten_megabytes_of_json(place: Town, anna: Person) -> None:
    big = b'{"name": "' + b"x" * 10_000_000 + b'"}'
    for route in WITH_BODY:
        sent = {"Content-Type": "application/json"}
        try:
            found = await status_of(anna.http, route.method, address(route), data=big, headers=sent)
        except aiohttp.ClientConnectionError:  # told, and cut off while still sending
            continue
        assert found in (413, 403, 404), route_name(route)
    assert place.services.bodies.held == 0
    assert (await place.read(anna.http))["id"] == anna.id


async def test_attack_deeply_nested_json(place: Town, anna: Person) -> None:
    deep = [
        b"[" * 100_000,
        b'{"a":' * 40_000,
        b'{"name":' + b"[" * 500 + b"]" * 500 + b"}",
        b"[" + b"{}," * 60_000 + b"{}]",
    ]
    sent = {"Content-Type": "application/json"}
    for text in deep:
        async with anna.http.post("/api/v1/channels", data=text, headers=sent) as response:
            assert (await problem(response, 400))["code"] == "too-deep"
    for route in WITH_BODY:
        assert await status_of(anna.http, route.method, address(route), data=deep[2], headers=sent) in (400, 403, 404)
    harmless = json.dumps({"name": "[[[[" * 20 + "{" * 10})
    assert await status_of(anna.http, "POST", "/api/v1/channels", data=harmless, headers=sent) == 201


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1e999999", "1" * 10_000, '{"name": "a", "name": NaN}'])
async def test_attack_numbers_that_are_none(start: Any, text: str) -> None:
    server = await start()
    async with aiohttp.ClientSession(server.url) as http:
        headers = {"Content-Type": "application/json"}
        assert await status_of(http, "POST", "/api/v1/channels", data=text, headers=headers) == 400


# ---- other people's things


async def test_attack_ids_of_others(place: Town, anna: Person) -> None:
    """Whatever only its owner may do is refused to somebody who knows the id; what nobody else sees is not there."""
    await place.add("ben")
    ben = await place.add("carl")
    made = await things_of(anna)
    owners = {Rule.OWNER, Rule.OWNER_OR_ADMINISTRATOR}
    private = {Action.CHANGE_ACCOUNT, Action.INVITE, Action.LIST_JOBS, Action.CHANGE_VOICE, Action.READ_JOB}
    tried = 0
    for route in ROUTES:
        ids = [id_ for part, id_ in made.items() if f"/{part}/" in f"{route.path}/" and "{" in route.path]
        if not ids or (RULES[route.action] not in owners and route.action not in private):
            continue
        path = re.sub(r"\{(id|slug)\}", ids[0], route.path, count=1)
        path = re.sub(r"\{\w+\}", "x", path)
        headers = {"Content-Type": route.accepts} if route.accepts else {}
        found = await status_of(ben.http, route.method, path, headers=headers, data=b"{}" if route.accepts else None)
        assert found in (403, 404), route_name(route)
        tried += 1
    assert tried > 8
    for path in (f"/api/v1/account/keys/{made['keys']}", f"/api/v1/account/programs/{made['programs']}"):
        assert await status_of(anna.http, "DELETE", path) == 204, "they were there all the time"


async def things_of(person: Person) -> dict[str, str]:
    """Ids of what somebody has, by the part of the address that names the kind."""

    async def make(path: str, wanted: dict[str, Any]) -> Any:
        async with person.http.post(path, json=wanted) as response:
            assert response.status in (200, 201), await response.text()
            return await response.json()

    key = await make("/api/v1/account/keys", {"name": "x", "scopes": ["read"]})
    await make("/api/v1/auth/token", {"name": person.name, "password": PASSWORD})
    invitation = await make("/api/v1/invitations", {})
    group = await make("/api/v1/groups", {"name": "Friends of the bees"})
    async with person.http.get("/api/v1/account/programs") as response:
        program = (await response.json())["items"][0]
    async with person.http.get("/api/v1/account/sessions") as response:
        session = (await response.json())["items"][0]
    found = {"keys": key, "programs": program, "sessions": session, "invitations": invitation, "groups": group}
    return {kind: thing["id"] for kind, thing in found.items()} | {"channels": person.channel, "whip": person.channel}


# ---- what answers carry


async def test_every_answer_is_guarded(place: Town, anna: Person) -> None:
    for path in ("/", "/static/js/main.js", "/api/v1/me", "/api/v1/nothing", "/health/live", "/whip/studio"):
        async with anna.http.get(path) as response:
            headers = response.headers
        policy = headers["Content-Security-Policy"]
        assert "unsafe" not in policy and "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Opener-Policy"] == headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "camera=()" in headers["Permissions-Policy"]
        assert "Strict-Transport-Security" not in headers, "a promise that plain HTTP would break"


def test_the_page_needs_nothing_that_its_policy_forbids() -> None:
    for file in static_dir().rglob("*.html"):
        text = file.read_text()
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", text), file
    for file in static_dir().rglob("*.js"):
        assert not re.search(r"\beval\(|new Function\(|\.innerHTML\s*=|setAttribute\(\"(style|on)", file.read_text()), (
            file
        )


async def test_behind_a_proxy_that_speaks_tls_browsers_are_told_to_stay_with_it(tmp_path: Path) -> None:
    async with town(tmp_path / "data", trusted_proxies="127.0.0.1", allowed_hosts="radio.example") as place:
        http = await place.client()
        proxied = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7", "Host": "radio.example"}
        async with http.get("/", headers=proxied) as response:
            assert response.headers["Strict-Transport-Security"] == "max-age=31536000"
        await place.add("anna")
        wanted = {"name": "anna", "password": PASSWORD}
        async with http.post("/api/v1/auth/sign-in", json=wanted, headers=proxied) as response:
            assert response.status == 200
            cookie = response.cookies["__Host-clearcast_session"]
        assert cookie["secure"] and cookie["httponly"] and cookie["path"] == "/" and not cookie["domain"]
        async with http.get("/", headers={"X-Forwarded-Proto": "http"}) as response:
            assert "Strict-Transport-Security" not in response.headers
