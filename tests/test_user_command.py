"""`clearcast user`: accounts from the terminal, beside a server that runs or without one."""

from __future__ import annotations

import asyncio
import io
import re
from pathlib import Path

import pytest

from server.accounts import keeping
from server.accounts import sessions as sessions_module
from server.cli import main
from tests.people import PASSWORD, town
from tests.web.test_account import send


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLEARCAST_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


def said(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> str:
    """What the command prints, of which the exit status is known."""
    assert main(["user", *arguments]) == status
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return captured.out if status == 0 else captured.err


def test_accounts_are_made_listed_promoted_and_disabled(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = said(capsys, "add", "Anna", "--display-name", "Anna B.", "--email", "anna@example.org")
    assert "anna has an account, as an administrator." in first
    assert re.search(r"^Password: \S{16}$", first, re.MULTILINE)
    assert "administrator" not in said(capsys, "add", "ben")
    assert [line.split()[0] for line in said(capsys, "list").splitlines()] == ["anna", "ben"]
    assert "one: make" not in said(capsys, "demote", "anna", status=1)  # the last one
    said(capsys, "promote", "ben")
    said(capsys, "demote", "anna")
    said(capsys, "disable", "ANNA")
    anna, ben = said(capsys, "list").splitlines()
    assert anna.endswith("disabled") and ben.endswith("administrator")
    said(capsys, "enable", "anna")
    assert not said(capsys, "list").splitlines()[0].endswith("disabled")


def test_somebody_is_given_room(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "add", "anna")
    assert said(capsys, "quota", "anna", "2.5") == "anna: 2.5 GB.\n"
    assert said(capsys, "quota", "anna", "0") == "anna: no limit.\n"
    assert said(capsys, "quota", "anna", "default") == "anna: as the settings say.\n"
    for wrong in ("much", "-1", "nan", "1e9"):
        assert "GB must be a number" in said(capsys, "quota", "--", "anna", wrong, status=1)


def test_mistakes_are_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said(capsys, "add", "anna")
    for arguments, words in (
        (("add", "anna"), "taken"),
        (("add", "🎧"), "letters and digits|2 to 40"),
        (("add", "ben", "--email", "ben"), "no e-mail address"),
        (("promote", "carl"), "Nobody signs in as “carl”"),
        (("reset-password", "../x"), "Nobody signs in as"),
    ):
        line = said(capsys, *arguments, status=1)
        assert re.search(words, line) and line.count("\n") == 1
    monkeypatch.setattr("sys.stdin", io.StringIO("12345678\n"))
    assert "Take another" in said(capsys, "reset-password", "anna", "--password-stdin", status=1)


async def test_a_running_server_notices_within_a_moment(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(keeping, "LOOK_EVERY", 0.05)
    monkeypatch.setattr(sessions_module, "FRESH_S", 1e9)  # it is told, and not only asked again
    async with town(folder) as place:
        await place.add("anna")
        ben = await place.add("ben")
        await place.read(ben.http)
        ended: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        place.services.endings.subscribe(lambda user, credential: ended.put_nowait((user, credential)))
        assert await asyncio.to_thread(main, ["user", "disable", "ben"]) == 0
        assert (await asyncio.wait_for(ended.get(), 30))[0] == ben.id
        await send(ben.http, "GET", "/api/v1/me", 401)
        wanted = {"name": "ben", "password": PASSWORD}
        nobody = await place.client()
        assert (await send(nobody, "POST", "/api/v1/auth/sign-in", 403, json=wanted))["code"] == "disabled"
        assert (await send(nobody, "POST", "/api/v1/auth/sign-in", 401, json=wanted | {"password": "x"}))["code"] == (
            "wrong-credentials"
        )
        assert await asyncio.to_thread(main, ["user", "enable", "ben"]) == 0
        monkeypatch.setattr("sys.stdin", io.StringIO("nineteen red hats\n"))
        assert await asyncio.to_thread(main, ["user", "reset-password", "ben", "--password-stdin"]) == 0
        await send(nobody, "POST", "/api/v1/auth/sign-in", json={"name": "ben", "password": "nineteen red hats"})
