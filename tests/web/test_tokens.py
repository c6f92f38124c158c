"""Programs over HTTP: what they sign in with, what keys open, and where each of them ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from server.rates import Rate
from tests.people import PASSWORD, Person, Town, town
from tests.web.conftest import SDP
from tests.web.test_routes import problem


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Town]:
    async with town(tmp_path / "data") as running:
        yield running


@pytest.fixture
async def anna(place: Town) -> Person:
    return await place.add("anna")


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


async def ask(http: aiohttp.ClientSession, method: str, path: str, status: int = 200, **options: Any) -> Any:
    async with http.request(method, path, **options) as response:
        if status >= 400:
            return await problem(response, status)
        assert response.status == status, await response.text()
        return await response.json() if status != 204 else None


async def sign_in(http: aiohttp.ClientSession, name: str = "anna", **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = await ask(
        http, "POST", "/api/v1/auth/token", json={"name": name, "password": PASSWORD, **more}
    )
    return found


async def test_a_program_signs_in_refreshes_and_signs_out(place: Town, anna: Person) -> None:
    http = await place.client()
    given = await sign_in(http, client="clearcast on laptop")
    assert (given["token_type"], given["expires_in"], given["name"]) == ("Bearer", 900, "anna")
    assert given["scopes"] == ["listen", "publish", "read", "write"]
    me = await ask(http, "GET", "/api/v1/me", headers=bearer(given["access_token"]))
    assert (me["id"], me["channel"]) == (anna.id, anna.channel)
    listed = await ask(anna.http, "GET", "/api/v1/account/programs")
    assert [item["client"] for item in listed["items"]] == ["clearcast on laptop"]
    fresh = await ask(http, "POST", "/api/v1/auth/token", json={"refresh_token": given["refresh_token"]})
    assert fresh["refresh_token"] != given["refresh_token"]
    await ask(http, "POST", "/api/v1/auth/token/revoke", 204, json={"refresh_token": fresh["refresh_token"]})
    for token in (given["access_token"], fresh["access_token"]):
        await ask(http, "GET", "/api/v1/me", 401, headers=bearer(token))
    await ask(http, "POST", "/api/v1/auth/token", 401, json={"refresh_token": fresh["refresh_token"]})
    assert (await ask(anna.http, "GET", "/api/v1/account/programs"))["items"] == []


async def test_somebody_signs_a_program_out_from_the_browser(place: Town, anna: Person) -> None:
    http, ben = await place.client(), await place.add("ben")
    given = await sign_in(http)
    (program,) = (await ask(anna.http, "GET", "/api/v1/account/programs"))["items"]
    await ask(ben.http, "DELETE", f"/api/v1/account/programs/{program['id']}", 404)
    await ask(http, "GET", "/api/v1/me", headers=bearer(given["access_token"]))
    await ask(anna.http, "DELETE", f"/api/v1/account/programs/{program['id']}", 204)
    await ask(http, "GET", "/api/v1/me", 401, headers=bearer(given["access_token"]))


async def test_requests_for_tokens_that_mean_nothing(place: Town) -> None:
    http, right = await place.client(), {"name": "anna", "password": PASSWORD}
    for body in (
        *({}, {"name": "anna"}, {"password": PASSWORD}, right | {"refresh_token": "cc_r_x"}),
        *({"refresh_token": "cc_r_x", "scopes": ["read"]}, right | {"scopes": []}, right | {"scopes": ["everything"]}),
        *(right | {"client": "a\nb"}, right | {"user_id": "x"}),
    ):
        await ask(http, "POST", "/api/v1/auth/token", 400, json=body)


async def test_passwords_are_tried_five_times_a_minute_and_refreshing_is_free_of_that(tmp_path: Path) -> None:
    async with town(tmp_path / "data", rate_limits={Rate.SIGN_IN: 5, Rate.WRITE: 100}) as place:
        await place.add("anna")  # one of five
        http = await place.client()
        given = await sign_in(http)
        for _ in range(3):
            await ask(http, "POST", "/api/v1/auth/token", 401, json={"name": "anna", "password": "wrong"})
        told = await ask(http, "POST", "/api/v1/auth/token", 429, json={"name": "anna", "password": PASSWORD})
        assert told["code"] == "too-many-requests"
        for _ in range(10):
            given = await ask(http, "POST", "/api/v1/auth/token", json={"refresh_token": given["refresh_token"]})


async def test_tokens_are_good_for_their_scopes(place: Town, anna: Person) -> None:
    http = await place.client()
    reader = bearer((await sign_in(http, scopes=["read"]))["access_token"])
    await ask(http, "GET", "/api/v1/streams", headers=reader)
    refused = await ask(http, "POST", f"/whip/{anna.channel}", 403, data="v=0", headers=SDP | reader)
    assert refused["code"] == "scope" and "publish" in refused["detail"]
    await ask(http, "POST", "/api/v1/channels", 403, json={"name": "More"}, headers=reader)
    every = bearer((await sign_in(http))["access_token"])
    for path in ("/api/v1/account/keys", "/api/v1/account/stream-key", "/api/v1/account/programs"):
        assert (await ask(http, "GET", path, 403, headers=every))["code"] == "scope"
    await ask(http, "POST", "/api/v1/account/keys", 403, json={"name": "x", "scopes": ["read"]}, headers=every)


async def test_api_keys_are_made_listed_rotated_and_revoked(place: Town, anna: Person) -> None:
    http, ben = await place.client(), await place.add("ben")
    wanted = {"name": "Night radio", "scopes": ["read", "listen"], "expires_days": 30}
    made = await ask(anna.http, "POST", "/api/v1/account/keys", 201, json=wanted)
    first = made.pop("key")
    assert first.startswith(made["hint"]) and made["scopes"] == ["listen", "read"]
    await ask(http, "GET", "/api/v1/streams", headers=bearer(first))
    listed = await ask(anna.http, "GET", "/api/v1/account/keys")
    assert [(item["name"], item["used_at"] is not None) for item in listed["items"]] == [("Night radio", True)]
    assert first not in str(listed) and listed["total"] == 1
    path = f"/api/v1/account/keys/{made['id']}"
    for method, place_of in (("DELETE", path), ("POST", f"{path}/rotate")):
        assert (await ask(ben.http, method, place_of, 404))["code"] == "unknown-key"
    assert (await ask(ben.http, "GET", "/api/v1/account/keys"))["items"] == []
    second = (await ask(anna.http, "POST", f"{path}/rotate"))["key"]
    await ask(http, "GET", "/api/v1/streams", 401, headers=bearer(first))
    await ask(http, "GET", "/api/v1/streams", headers=bearer(second))
    await ask(anna.http, "DELETE", path, 204)
    refused = await ask(http, "GET", "/api/v1/streams", 401, headers=bearer(second))
    assert refused["code"] == "not-authenticated"
    await ask(anna.http, "DELETE", path, 404)
    for scopes in (["account"], ["read", "account"]):
        await ask(anna.http, "POST", "/api/v1/account/keys", 403, json={"name": "x", "scopes": scopes})
    await ask(ben.http, "POST", "/api/v1/account/keys", 403, json={"name": "x", "scopes": ["administer"]})
    await ask(anna.http, "POST", "/api/v1/account/keys", 400, json={"name": "x" * 81, "scopes": ["read"]})


async def test_the_stream_key_goes_live_on_its_owners_channels_and_does_nothing_else(
    place: Town, anna: Person, offer: Any
) -> None:
    http, ben = await place.client(), await place.add("ben")
    assert (await ask(anna.http, "GET", "/api/v1/account/stream-key"))["exists"] is False
    made = await ask(anna.http, "POST", "/api/v1/account/stream-key", 201)
    assert made["whip_url"] == f"{place.url}/whip/{anna.channel}"
    key = bearer(made["key"])
    shown = await ask(anna.http, "GET", "/api/v1/account/stream-key")
    assert shown["exists"] and made["key"].startswith(shown["hint"]) and made["key"] not in str(shown)
    # What OBS and FFmpeg do: an offer with the key as Bearer token, and DELETE of what the answer names.
    async with http.post(made["whip_url"], data=await offer("sendonly"), headers=SDP | key) as response:
        assert response.status == 201, await response.text()
        location = response.headers["Location"]
        stream = response.headers["Clearcast-Stream"]
    assert place.services.media.stream(stream).principal == anna.id
    async with http.delete(location) as response:
        assert response.status == 401, "without the key nobody ends it"
    async with http.delete(location, headers=key) as response:
        assert response.status == 200
    async with http.post(f"/whip/{ben.channel}", data=await offer("sendonly"), headers=SDP | key) as response:
        assert response.status in (403, 404), "by who may know of that channel"
    for path in ("/api/v1/streams", "/api/v1/account/stream-key", "/api/v1/recordings", "/api/v1/me"):
        assert (await ask(http, "GET", path, 403, headers=key))["code"] == "scope"
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await http.ws_connect("/api/v1/events", headers=key)
    assert refused.value.status == 403
    again = await ask(anna.http, "POST", "/api/v1/account/stream-key", 201)
    await ask(http, "POST", f"/whip/{anna.channel}", 401, data="v=0", headers=SDP | key)
    await ask(anna.http, "DELETE", "/api/v1/account/stream-key", 204)
    await ask(http, "POST", f"/whip/{anna.channel}", 401, data="v=0", headers=SDP | bearer(again["key"]))


async def test_what_does_not_hold_is_refused_and_never_taken_for_nobody(place: Town, anna: Person) -> None:
    """Even where the browser's cookie would have let it in."""
    for header in (
        *("Bearer", "Bearer ", "Bearer x", "Basic YW5uYTp4", "Bearer cc_k_nothing", "Bearer cc_p_nothing"),
        *("Bearer a.b.c", "x" * 5000),
    ):
        async with anna.http.get("/api/v1/config", headers={"Authorization": header}) as response:
            assert (await problem(response, 401))["code"] == "not-authenticated"
            assert response.headers["WWW-Authenticate"].startswith("Bearer")


async def test_credentials_of_other_kinds_are_no_bearer_tokens(place: Town, anna: Person) -> None:
    http = await place.client()
    given = await sign_in(http)
    for text in (anna.cookie, given["refresh_token"]):
        await ask(http, "GET", "/api/v1/config", 401, headers=bearer(text))


async def test_what_was_done_with_keys_is_in_the_audit_log_and_no_secret_is(place: Town, anna: Person) -> None:
    http = await place.client()
    given = await sign_in(http, client="laptop")
    made = await ask(anna.http, "POST", "/api/v1/account/keys", 201, json={"name": "x", "scopes": ["read"]})
    stream_key = await ask(anna.http, "POST", "/api/v1/account/stream-key", 201)
    await ask(anna.http, "DELETE", f"/api/v1/account/keys/{made['id']}", 204)
    await ask(http, "POST", "/api/v1/auth/token/revoke", 204, json={"refresh_token": given["refresh_token"]})
    await place.services.audit.settle()
    entries = (await place.services.store.audit.page()).items
    done = [(entry.action, entry.kind, entry.actor_id, entry.address) for entry in entries]
    for action, kind in (
        ("sign-in", "program"),
        ("create", "key"),
        ("create", "stream-key"),
        ("revoke", "key"),
        ("sign-out", "program"),
    ):
        assert (action, kind, anna.id, "127.0.0.1") in done
    for secret in (given["refresh_token"], given["access_token"], made["key"], stream_key["key"]):
        assert secret not in str(entries)


async def test_without_accounts_there_are_no_tokens(start: Any) -> None:
    server = await start()
    async with aiohttp.ClientSession(server.url) as http:
        for path, body in (
            ("/api/v1/auth/token", {"name": "anna", "password": PASSWORD}),
            ("/api/v1/account/keys", {"name": "x", "scopes": ["read"]}),
            ("/api/v1/account/stream-key", None),
        ):
            assert (await ask(http, "POST", path, 409, json=body))["code"] == "no-accounts"
        await ask(http, "GET", "/api/v1/streams", headers=bearer("whatever OBS was told to send"))
