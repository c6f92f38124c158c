"""The support archive holds what helps and no secret."""

from __future__ import annotations

import json
import stat
import tarfile
from pathlib import Path

import pytest

from server import cli
from server.app import Server
from server.config import load_settings
from server.doctor.bundle import FOLDER
from server.doctor.masking import Mask
from server.masking import HIDDEN
from tests.conftest import free_port

SECRETS = {
    "database": "pa55/w%rd-database",
    "ice": "turn-credential-1",
    "user": "turn-user-17",
    "api": "CKEY-0a1b2c3d4e5f",
    "generated": "0123456789abcdef0123456789abcdef",
    "bearer": "abcdef.ghijkl-mnop",
    "jwt": "eyJhbGciOi.eyJzdWIi.c2lnbmF0dXJl",
    "session": "sESSion_of-a-publisher",
    "strange": "p4ss-of-another-host",
    "pem": "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg",
    "key-file": "MHcCAQEEIKeyKeyKeyKeyKeyKeyKeyKeyKeyKeyKeyKey",
    "resume": "resume-me-if-you-can",
}
LOG = f"""\
starting with postgresql://clearcast:{SECRETS["database"]}@db.example/clearcast
turn:turn.example as {SECRETS["user"]} with {SECRETS["ice"]}
GET /api Authorization: Bearer {SECRETS["bearer"]}
{{"headers": {{"authorization": "Bearer {SECRETS["bearer"]}", "cookie": "sid={SECRETS["jwt"]}"}}}}
PATCH /whip/studio/{SECRETS["session"]} 204 and https://joe:{SECRETS["strange"]}@elsewhere.example/
resume_token={SECRETS["resume"]}&x=1 key {SECRETS["generated"]} api {SECRETS["api"]}
-----BEGIN PRIVATE KEY-----
{SECRETS["pem"]}
-----END PRIVATE KEY-----
the line that helps: disk full at sample 4711
"""


@pytest.fixture
def seeded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder, an environment and a log full of secrets; the log's path."""
    data = tmp_path / "data"
    data.mkdir()
    for name, text in (("secret.key", SECRETS["generated"]), ("key.pem", SECRETS["key-file"])):
        (data / name).write_text(text)
        (data / name).chmod(0o600)
    quoted = SECRETS["database"].replace("/", "%2F").replace("%r", "%25r")
    ice = [{"urls": "turn:turn.example", "username": SECRETS["user"], "credential": SECRETS["ice"]}]
    for name, value in {
        "CLEARCAST_DATA_DIR": str(data),
        "CLEARCAST_PORT": str(free_port()),
        "CLEARCAST_DENOISE": "off",
        "CLEARCAST_DATABASE_URL": f"postgresql://clearcast:{quoted}@127.0.0.1:{free_port()}/clearcast",
        "CLEARCAST_ICE_SERVERS": json.dumps(ice),
        "SOME_API_KEY": SECRETS["api"],
    }.items():
        monkeypatch.setenv(name, value)
    log = tmp_path / "server.log"
    log.write_text("x" * 5000 + "\n" + LOG + f"key file {SECRETS['key-file']}\n")
    return log


def unpacked(path: Path) -> dict[str, str]:
    with tarfile.open(path) as archive:
        files = {member.name: archive.extractfile(member) for member in archive.getmembers()}
        return {name: file.read().decode() for name, file in files.items() if file is not None}


def test_no_secret_is_in_the_archive_or_on_the_screen(
    seeded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = tmp_path / "support.tar.gz"
    assert cli.main(["doctor", "--bundle", str(bundle), "--log", str(seeded)]) == 1  # no database there
    printed = capsys.readouterr()
    files = unpacked(bundle)
    assert {name.removeprefix(f"{FOLDER}/") for name in files} == {
        *("report.txt", "report.json", "settings.json", "versions.json", "log.txt")
    }
    everything = "\n".join(files.values()) + printed.out + printed.err
    assert [name for name, secret in SECRETS.items() if secret in everything] == []
    assert "the line that helps: disk full at sample 4711" in files[f"{FOLDER}/log.txt"]
    assert max(map(len, files[f"{FOLDER}/log.txt"].splitlines())) <= 2000
    shown = json.loads(files[f"{FOLDER}/settings.json"])
    assert shown["settings"]["database_url"] == f"postgresql://{HIDDEN}"
    assert shown["settings"]["ice_servers"] == [{"urls": "turn:turn.example", "credential": True}]
    assert shown["settings"]["opus_bitrate"] == 32_000
    assert "CLEARCAST_DATABASE_URL" in shown["variables_set"]
    assert "aiortc" in json.loads(files[f"{FOLDER}/versions.json"])["packages"]
    assert json.loads(files[f"{FOLDER}/report.json"])["state"] == "fails"
    assert stat.S_IMODE(bundle.stat().st_mode) == 0o600


async def test_a_running_server_adds_its_health_and_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    monkeypatch.setenv("CLEARCAST_DENOISE", "off")
    monkeypatch.setenv("CLEARCAST_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("CLEARCAST_PORT", str(free_port()))
    server = Server(load_settings())
    await server.start()
    try:
        bundle = tmp_path / "support.tar.gz"
        assert await asyncio.to_thread(cli.main, ["doctor", "--json", "--bundle", str(bundle)]) == 0
    finally:
        await server.close()
    files = await asyncio.to_thread(unpacked, bundle)
    assert json.loads(files[f"{FOLDER}/health.json"])["status"] == "ok"
    assert "clearcast_streams" in files[f"{FOLDER}/metrics.txt"]
    report = json.loads(files[f"{FOLDER}/report.json"])
    states = {item["name"]: item["state"] for item in report["findings"]}
    assert states["server"] == states["TCP port"] == "ok"


def test_a_log_that_is_not_there_and_an_archive_that_cannot_be_written(
    seeded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.doctor.command.examine", lambda *_: [])
    assert cli.main(["doctor", "--bundle", str(tmp_path / "x.tar.gz"), "--log", str(tmp_path / "none.log")]) == 1
    assert "none.log cannot be read" in capsys.readouterr().err
    assert cli.main(["doctor", "--bundle", str(tmp_path / "none" / "x.tar.gz")]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_short_words_and_numbers_stay(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("4711")
    (tmp_path / "lock").chmod(0o600)
    mask = Mask(load_settings(data_dir=tmp_path), {"TOKEN": "abc", "HOME": "/home/ann"})
    assert mask.text("abc 4711: an ordinary line, 12 hops") == "abc 4711: an ordinary line, 12 hops"
    assert mask.text(f"{Path.home()}/data") == "~/data"
