"""No secret gets into a log line, whatever it is part of."""

from __future__ import annotations

import json
import logging
import secrets
import time

import jwt
import pytest

from server.accounts.credentials import Credential
from server.config import load_settings
from server.log import configure_logging, get_logger
from server.masking import HIDDEN, Masker, secret_values
from tests.test_log import said

SDP = (
    "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"
    "a=ice-ufrag:Ufr4g\r\na=ice-pwd:p4ssw0rdOfThisSession22\r\na=fingerprint:sha-256 AB:CD:EF\r\n"
)
TOKEN = "aB3" + "x7Q_-kL2" * 5
SESSION = "/whip/studio/eyJ0-session.of.this"
SECRETS = ("Ufr4g", "p4ssw0rdOfThisSession22", "AB:CD:EF", TOKEN, "eyJ0-session", "turn-credential-1", "pa55/w%rd")


def everything(level: int = logging.WARNING) -> None:
    """Lines of ours and of libraries that carry secrets in every way there is."""
    log = get_logger("test")
    log.warning("an offer came", sdp=SDP, path=SESSION, resume_token=TOKEN)
    log.warning(
        "an offer came", offer=SDP, detail=f"it begins {SDP[:60]!r}", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    posted = f"posted {TOKEN} to {SESSION}"
    log.warning(posted, parts=[SDP, ("a", TOKEN)], error=ValueError(SDP))
    log.warning("asks turn.example", with_="turn-credential-1", url="postgresql://me:pa55%2Fw%25rd@db/x", ice_pwd="ab")
    try:
        raise ValueError(f"bad fragment {SDP} for {SESSION} with {TOKEN}")
    except ValueError:
        log.exception("it failed")
        logging.getLogger("some.library").exception("cannot read %s", SDP)
    logging.getLogger("some.library").log(level, "token=%s", TOKEN)


@pytest.fixture
def values() -> set[str]:
    ice = '[{"urls": "turn:turn.example", "username": "turn-user", "credential": "turn-credential-1"}]'
    return secret_values(load_settings(ice_servers=ice, database_url="postgresql://me:pa55%2Fw%25rd@db/x"))


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("colours", [True, False])
def test_no_secret_is_in_a_line(
    form: str, colours: bool, values: set[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: colours, raising=False)
    configure_logging("info", form, values)
    everything()
    text = said(capsys)
    assert [secret for secret in (*SECRETS, "pa55%2Fw%25rd") if secret in text] == []
    for word in ("an offer came", "it failed", "bad fragment", "ValueError", "/whip/studio/", "turn.example"):
        assert word in text
    if form == "json":
        lines = [json.loads(line) for line in text.splitlines()]
        assert len(lines) == 7
        assert lines[0]["sdp"] == lines[0]["resume_token"] == HIDDEN
        assert lines[1]["offer"] == "(SDP)"


def test_what_is_no_secret_stays(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json")
    get_logger("test").info(
        "stream", stream="0192f0c1a2b3", at=12.5, listeners=3, on=True, folder="/data/recordings/0192f0c1a2b3", why=None
    )
    line = json.loads(said(capsys))
    assert {key: line[key] for key in ("stream", "at", "listeners", "on", "folder", "why")} == {
        "stream": "0192f0c1a2b3",
        "at": 12.5,
        "listeners": 3,
        "on": True,
        "folder": "/data/recordings/0192f0c1a2b3",
        "why": None,
    }


def test_a_line_has_an_end(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json")
    get_logger("test").info("came", body="x" * 100_000)
    line = json.loads(said(capsys))
    assert len(line["body"]) < 2100
    assert line["body"].endswith("(100000 characters)")


def test_tokens_as_they_are_made_are_known() -> None:
    for _ in range(200):
        token = secrets.token_urlsafe(32)
        if any(map(str.isdigit, token)):  # all but one in three thousand
            assert token not in Masker().text(f"resume with {token}, please")


@pytest.mark.parametrize("kind", list(Credential))
def test_what_people_prove_themselves_with_is_known_wherever_it_stands(kind: Credential) -> None:
    for _ in range(50):
        given = kind.new()
        random = given.removeprefix(kind)
        for text in (given, f"x{given}.", f"{given}{given}", f"/register?invitation={given}&a=b", f"('{given}')"):
            assert random not in Masker().text(text)
    assert kind in Masker().text(f"used {given}"), "what kind it was may be seen"


def test_access_tokens_are_known_wherever_they_stand() -> None:
    token = jwt.encode({"sub": "anna", "aud": "clearcast"}, "k" * 32, "HS256")
    for text in (token, f"({token})", f"GET /api?access={token} 401", json.dumps({"said": f"Bearer {token}"})):
        assert not any(part in Masker().text(text) for part in token.split("."))


EVIL = (
    "a",
    "cc_s_",
    "cc_",
    "token",
    "secret-",
    "password=",
    "eyJ-",
    "eyJa.",
    "aB3",
    "://",
    "://a:",
    "v=0\r\na=b",
    "v=0\\n",
    "/whip/",
    "/whip/a/",
)
EVIL += (
    "-----BEGIN ",
    "-----BEGIN PRIVATE KEY-----",
    "bearer ",
    "authorization:",
    "ice-pwd:",
    "ice-ufrag ",
    "cookie: ",
    "\\r\\n",
)


@pytest.mark.parametrize("piece", EVIL)
def test_a_text_four_times_as_long_takes_no_more_than_about_four_times_as_long(piece: str) -> None:
    masker = Masker()

    def spent(length: int) -> float:
        text = (piece * length)[:length]
        best = float("inf")
        for _ in range(3):
            began = time.thread_time()
            masker.text(text)
            best = min(best, time.thread_time() - began)
        return best

    short, long = spent(5_000), spent(20_000)
    assert long < 9 * short + 0.005  # sixteen times where it is quadratic
    assert long < 0.25
