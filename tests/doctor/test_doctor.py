"""`clearcast doctor`: what it says of machines that are well and of such that are not."""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import socket
import sqlite3
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from server import cli
from server.config import Settings, load_settings
from server.doctor import command, machine, network, parts
from server.doctor.findings import Finding, State, as_json, as_text, fails, look, ok, worst
from server.inference import models
from server.store.store import Store
from server.web import tls
from tests.conftest import free_port


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., Settings]:
    (tmp_path / "models").mkdir()

    def make(**values: Any) -> Settings:
        given = {"data_dir": tmp_path / "data", "models_dir": tmp_path / "models", "port": free_port(), **values}
        return load_settings(**given)

    return make


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def test_the_report_says_how_it_is_what_it_is_and_what_to_do() -> None:
    findings = [
        ok("disk", "Room enough."),
        look("memory", "Little.", "Close something."),
        fails("UDP", "None.", "Allow."),
    ]
    text = as_text(findings)
    assert text.splitlines()[2:] == [
        "ok     disk    Room enough.",
        "look   memory  Little.",
        "               → Close something.",
        "fails  UDP     None.",
        "               → Allow.",
        "",
        "1 thing fails: UDP. 1 is worth a look: memory.",
    ]
    assert worst(findings) is State.FAILS
    assert as_json(findings[:2])["state"] == "look"
    assert as_text(findings[:1]).endswith("All is well.")
    assert worst([]) is State.OK


def test_every_check_answers_on_a_machine_that_runs_these_tests(settings: Callable[..., Settings]) -> None:
    own = settings(denoise="off")
    findings = command.examine(own)
    assert [finding.name for finding in findings] == list(command.checks())
    assert [finding for finding in findings if finding.state is State.FAILS] == []
    for finding in findings:
        assert finding.what.endswith((".", "!")), finding
        assert bool(finding.remedy) == (finding.state is not State.OK), finding
    assert not own.data_dir.exists()  # it looks and makes nothing


def test_a_check_that_breaks_is_told_and_the_others_go_on(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Settings) -> Finding:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(machine, "processor", broken)
    findings = command.examine(settings(denoise="off"))
    assert findings[0].state is State.FAILS and "ZeroDivisionError" in findings[0].what
    assert len(findings) == len(command.checks())


def test_the_command_prints_one_object_and_says_by_its_status_whether_something_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLEARCAST_DENOISE", "off")
    asked = ["doctor", "--json", "--data-dir", str(tmp_path / "data"), "--port", str(free_port())]
    assert cli.main(asked) == 0
    assert json.loads(capsys.readouterr().out)["state"] in ("ok", "look")
    (tmp_path / "file").write_text("")
    assert cli.main([*asked[:3], str(tmp_path / "file" / "data")]) == 1
    report = json.loads(capsys.readouterr().out)
    assert {item["name"]: item["state"] for item in report["findings"]}["disk"] == "fails"


def hang_up(listening: socket.socket) -> None:
    """Some other program: it takes connections and says nothing sensible."""
    with contextlib.suppress(OSError):
        while True:
            listening.accept()[0].close()


def test_a_port_that_is_taken(settings: Callable[..., Settings]) -> None:
    assert network.port(settings()).state is State.OK
    with socket.create_server(("127.0.0.1", 0)) as other:
        threading.Thread(target=hang_up, args=[other], daemon=True).start()
        taken = network.port(settings(port=other.getsockname()[1]))
    assert taken.state is State.FAILS and "in use" in taken.what
    assert network.port(settings(host="203.0.113.7")).state is State.FAILS
    assert network.server(settings()).what == "None runs with these settings just now."


def test_datagrams_arrive_here() -> None:
    found = network.udp(load_settings())
    assert "127.0.0.1" in found.data["arrived"]
    assert found.state is not State.FAILS


def test_where_browsers_give_a_microphone(settings: Callable[..., Settings]) -> None:
    assert network.microphone(settings()).state is State.OK
    assert network.microphone(settings(host="0.0.0.0")).state is State.LOOK
    assert "--tls self-signed" in network.microphone(settings(host="0.0.0.0")).remedy
    assert network.microphone(settings(host="0.0.0.0"), self_signed=True).state is State.OK


def certificate(folder: Path, begins: int, ends: int, names: list[str], monkeypatch: pytest.MonkeyPatch) -> tls.Pair:
    """A pair that is valid from `begins` to `ends` days from now."""
    pair = tls.Pair(folder / "c.pem", folder / "k.pem")

    class Shifted(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(UTC) + timedelta(days=begins)

    monkeypatch.setattr(tls, "datetime", Shifted)
    monkeypatch.setattr(tls, "VALID", timedelta(days=ends - begins))
    tls._create(pair, ["localhost", *names])
    return pair


@pytest.mark.parametrize(
    ("begins", "ends", "names", "host", "state", "says"),
    [
        (0, 400, ["radio.example"], "radio.example", State.OK, "radio.example"),
        (0, 5, ["radio.example"], "127.0.0.1", State.LOOK, "ends soon"),
        (-10, -1, ["radio.example"], "127.0.0.1", State.FAILS, "ended"),
        (3, 9, ["radio.example"], "127.0.0.1", State.FAILS, "not valid yet"),
        (0, 400, ["other.example"], "radio.example", State.LOOK, "does not name radio.example"),
        (0, 400, ["*.example"], "radio.example", State.OK, "*.example"),
    ],
)
def test_a_certificate_and_its_time_and_names(
    settings: Callable[..., Settings],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    begins: int,
    ends: int,
    names: list[str],
    host: str,
    state: State,
    says: str,
) -> None:
    pair = certificate(tmp_path, begins, ends, names, monkeypatch)
    found = network.certificate(settings(tls_certificate=pair.certificate, tls_key=pair.key, host=host))
    assert found.state is state, found
    assert says in found.what + found.remedy


def test_certificates_that_are_none(settings: Callable[..., Settings], tmp_path: Path) -> None:
    (tmp_path / "c.pem").write_text("nothing")
    (tmp_path / "k.pem").write_text("nothing")
    bad = network.certificate(settings(tls_certificate=tmp_path / "c.pem", tls_key=tmp_path / "k.pem"))
    assert bad.state is State.FAILS
    assert network.certificate(settings(), self_signed=True).state is State.OK
    tls.self_signed(settings().data_dir)
    assert "localhost" in network.certificate(settings(), self_signed=True).what


def test_models_that_are_missing_damaged_and_whole(settings: Callable[..., Settings], tmp_path: Path) -> None:
    assert parts.models(settings()).state is State.LOOK
    assert "models pull DeepFilterNet3" in parts.models(settings()).remedy
    assert parts.models(settings(denoise="RNNoise")).state is State.OK
    folder = tmp_path / "models" / "DeepFilterNet3"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "config.ini").write_text("[x]")
    checkpoint = folder / "checkpoints" / "model.ckpt"
    checkpoint.write_text("weights")
    assert "no checksums" in parts.models(settings()).what
    models.write_sums(folder)
    assert "as it was fetched" in parts.models(settings()).what
    checkpoint.write_text("other weights")
    found = parts.models(settings())
    assert found.state is State.LOOK and "checkpoints/model.ckpt" in found.what
    assert models.damaged(folder) == ["checkpoints/model.ckpt"]


async def test_a_database_that_is_whole_damaged_or_not_ours(settings: Callable[..., Settings]) -> None:
    import asyncio

    own = settings()
    assert (await asyncio.to_thread(parts.database, own)).state is State.OK
    own.data_dir.mkdir()
    store = Store(f"sqlite+aiosqlite:///{own.data_dir / 'clearcast.db'}")
    await store.open()
    await store.close()
    found = await asyncio.to_thread(parts.database, own)
    assert found.state is State.OK and "0 recordings" in found.what
    path = own.data_dir / "clearcast.db"
    await asyncio.to_thread(path.write_bytes, b"no database at all, and long enough to look at" * 100)
    assert (await asyncio.to_thread(parts.database, own)).state is State.FAILS
    unreachable = settings(database_url=f"postgresql://u:secret@127.0.0.1:{free_port()}/x")
    found = await asyncio.to_thread(parts.database, unreachable)
    assert found.state is State.FAILS and "secret" not in found.what
    assert (await asyncio.to_thread(parts.database, settings(database_url="oracle://x"))).state is State.FAILS


def test_a_disk_without_room_and_memory_without_room(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert machine.disk(settings(disk_reserve_mb=10**9)).state is State.LOOK
    monkeypatch.setattr(machine, "_kilobytes", lambda path, name: 10**8)
    assert machine.memory(settings()).state is State.FAILS
    monkeypatch.setattr(machine.resource, "getrlimit", lambda _: (256, 1024))
    assert machine.limits(settings()).state is State.LOOK


def test_the_headroom_of_rnnoise_is_measured(settings: Callable[..., Settings]) -> None:
    found = parts.headroom(settings(denoise="RNNoise"))
    assert found.data["engine"] == "RNNoise"
    assert found.data["p95_ms"] > 0
    assert 0 <= found.data["streams"] <= found.data["most"] == 32  # none, where the machine is busy
    assert found.state is not State.FAILS


def test_more_streams_than_the_machine_carries_are_told(settings: Callable[..., Settings]) -> None:
    result = {"engine": "RNNoise", "device": "cpu", "p95_ms": 2.0, "streams": 4, "most": 20}
    found = parts._verdict("noise removal", settings(denoise_streams=20), result)
    assert found.state is State.LOOK and "more than 4" in found.remedy
    assert parts._verdict("noise removal", settings(), {**result, "most": 32}).state is State.OK
    none = parts._verdict("noise removal", settings(), {**result, "streams": 0, "p95_ms": 31.0})
    assert none.state is State.LOOK and "31.0 of 10 ms" in none.what


def test_the_headroom_of_the_real_model_is_measured(settings: Callable[..., Settings], models_dir: Path) -> None:
    found = parts.headroom(settings(models_dir=models_dir, denoise_device="cpu"))
    assert (found.data["engine"], found.data["device"]) == ("DeepFilterNet3", "cpu")
    assert found.data["p95_ms"] > 0


def test_a_denoiser_that_cannot_run_is_told(
    settings: Callable[..., Settings], tmp_path: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(models_dir / "DeepFilterNet3", tmp_path / "models" / "DeepFilterNet3")
    next((tmp_path / "models" / "DeepFilterNet3").glob("checkpoints/*")).write_bytes(b"damaged")
    assert parts.headroom(settings()).state is State.FAILS
    monkeypatch.setattr(parts.sys, "executable", "/bin/false")
    assert parts.headroom(settings()).state is State.FAILS


def test_a_broken_libopus_is_told(settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    assert parts.opus(settings()).state is State.OK
    monkeypatch.setattr(parts, "rms_dbfs", lambda samples: float(-len(samples)))
    assert parts.opus(settings()).state is State.OK  # both alike
    levels = iter([-12.0, -60.0])
    monkeypatch.setattr(parts, "rms_dbfs", lambda samples: next(levels))
    assert parts.opus(settings()).state is State.FAILS


def test_options_reach_the_checks(settings: Callable[..., Settings], capsys: pytest.CaptureFixture[str]) -> None:
    options = argparse.Namespace(tls="self-signed", json=True, bundle=None, log=None)
    assert command.run(settings(denoise="off", host="0.0.0.0"), options) == 0
    findings = {item["name"]: item for item in json.loads(capsys.readouterr().out)["findings"]}
    assert "makes one" in findings["certificate"]["what"]
    assert findings["microphone"]["state"] == "ok"


def test_the_database_is_not_locked_by_looking(settings: Callable[..., Settings]) -> None:
    own = settings()
    own.data_dir.mkdir()
    with sqlite3.connect(own.data_dir / "clearcast.db") as writer:
        writer.execute("CREATE TABLE recordings (id)")
        writer.commit()
        writer.execute("BEGIN IMMEDIATE")
        assert parts.database(own).state is State.OK
