"""`clearcast login`, and what commands prove themselves with."""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from server.accounts.gate import host_name
from server.cli import main
from server.client.commands import own_channel
from server.client.login import SavedLogin, login, logins_file, logout
from server.client.signalling import get_json, http_session
from server.client.tokens import FileToken, token_for
from server.errors import ClearcastError, NotAuthenticated
from server.store.ids import slugify
from tests.people import PASSWORD, Town, town

HOME = slugify(host_name())
"""The channel that the first account finds."""


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Town]:
    async with town(tmp_path / "data") as running:
        await running.add("anna")
        yield running


async def command(run: Any, place: Town, monkeypatch: pytest.MonkeyPatch, typed: str = "") -> int:
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    options = argparse.Namespace(server=place.url, name=None, insecure=False)
    return int(await asyncio.to_thread(run, options))


async def signed_in(place: Town, monkeypatch: pytest.MonkeyPatch) -> SavedLogin:
    assert await command(login, place, monkeypatch, f"anna\n{PASSWORD}\n") == 0
    saved = await asyncio.to_thread(SavedLogin.of, place.url)
    assert saved is not None
    return saved


def entry(place: Town, **changes: Any) -> dict[str, Any]:
    """What the file holds of a server, after it was changed."""
    found = json.loads(logins_file().read_text())
    found[place.url] |= changes
    logins_file().write_text(json.dumps(found))
    kept: dict[str, Any] = found[place.url]
    return kept


async def test_signing_in_and_out(
    place: Town, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = await signed_in(place, monkeypatch)
    assert stat.S_IMODE(logins_file().stat().st_mode) == 0o600
    assert PASSWORD not in logins_file().read_text()
    token = await saved.current()
    assert await own_channel(place.url, saved) == HOME
    assert await command(logout, place, monkeypatch) == 0
    assert await saved.current() is None
    assert await asyncio.to_thread(SavedLogin.of, place.url) is None
    with pytest.raises(NotAuthenticated):
        await own_channel(place.url, token)
    assert await command(logout, place, monkeypatch) == 0
    said = capsys.readouterr().out
    assert "as anna" in said and "Signed out" in said and "were not signed in" in said
    assert token is not None and token not in said


async def test_a_wrong_password_keeps_nothing(place: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotAuthenticated, match="wrong"):
        await command(login, place, monkeypatch, "anna\nnot this one\n")
    assert not logins_file().exists()


async def test_a_login_stays_fresh_by_itself(place: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = await signed_in(place, monkeypatch)
    before = entry(place, expires_at=0)
    assert await own_channel(place.url, saved) == HOME
    after = entry(place)
    assert after["refresh_token"] != before["refresh_token"] and after["expires_at"] > 0
    entry(place, access_token="refused.for.sure")
    assert await own_channel(place.url, saved) == HOME, "one that is refused is replaced"


async def test_commands_that_refresh_at_the_same_time_do_not_end_the_login(
    place: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    await signed_in(place, monkeypatch)
    for _ in range(3):
        entry(place, expires_at=0)
        several = [await asyncio.to_thread(SavedLogin.of, place.url) for _ in range(4)]
        assert await asyncio.gather(*(own_channel(place.url, saved) for saved in several)) == [HOME] * 4


async def test_a_login_that_was_ended_elsewhere_says_what_to_do(place: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = await signed_in(place, monkeypatch)
    user = await place.services.store.users.by_name("anna")
    await place.services.tokens.revoke_all(user.id)
    place.services.endings.tell(user.id)
    with pytest.raises(NotAuthenticated, match="clearcast login"):
        await own_channel(place.url, saved)


async def test_which_token_is_used(place: Town, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    user = await place.services.store.users.by_name("anna")
    _, key = await place.services.keys.create(user, "night radio", ["read"])
    file = tmp_path / "token"
    file.write_text(f"{key}\n")
    assert await own_channel(place.url, FileToken(file)) == HOME
    monkeypatch.setenv("CLEARCAST_TOKEN", key)
    assert await asyncio.to_thread(token_for, place.url, None) == key
    assert isinstance(await asyncio.to_thread(token_for, place.url, str(file)), FileToken)
    monkeypatch.delenv("CLEARCAST_TOKEN")
    assert await asyncio.to_thread(token_for, place.url, None) is None
    with pytest.raises(NotAuthenticated):
        await own_channel(place.url, None)


@pytest.mark.parametrize("content", [b"", b"two words", b"a\nb", b"\xff\xfe", "schlüssel".encode()])
def test_files_that_hold_no_token(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    with pytest.raises(ClearcastError, match="token"):
        asyncio.run(FileToken(file).current())
    with pytest.raises(ClearcastError, match="No such file"):
        asyncio.run(FileToken(tmp_path / "none").current())


async def test_attack_a_token_is_not_sent_where_a_server_leads(tmp_path: Path) -> None:
    seen: list[tuple[str, str | None]] = []

    async def elsewhere(request: web.Request) -> web.Response:
        seen.append(("other", request.headers.get("Authorization")))
        return web.json_response({})

    other = web.Application()
    other.router.add_get("/", elsewhere)
    async with TestServer(other) as target:

        async def lead(request: web.Request) -> web.Response:
            seen.append(("first", request.headers.get("Authorization")))
            raise web.HTTPFound(str(target.make_url("/")))

        first = web.Application()
        first.router.add_get("/", lead)
        async with TestServer(first) as server, http_session("cc_k_secret", True) as http:
            assert await get_json(http, str(server.make_url("/"))) == {}
    assert seen == [("first", "Bearer cc_k_secret"), ("other", None)]


def test_a_broken_file_of_logins_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    logins_file().parent.mkdir(parents=True)
    logins_file().write_text("[1, 2]")
    assert main(["publish", "nothing.wav"]) == 1
    assert main(["logout"]) == 1
    assert "logins.json" in capsys.readouterr().err
    logins_file().unlink()
    assert main(["logout", "--server", "nonsense"]) == 1
    assert "'nonsense' is not the address" in capsys.readouterr().err
