"""The Dockerfile, read against the code: no container engine is at hand where the tests run.

That the server runs on a read-only root behind two published ports is shown by tests/e2e/test_published_ports.py.
"""

from __future__ import annotations

import asyncio
import fnmatch
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from server import cli
from server.app import running
from server.config import PREFIX, Settings, load_settings
from server.inference.service import OffDenoiseService
from tests.conftest import free_port
from tests.source import ROOT
from tests.test_repository import tracked

TEXT = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
STAGES = [stage.splitlines() for stage in re.split(r"^(?=FROM )", TEXT, flags=re.MULTILINE)[1:]]


def instructions(name: str, stage: int = -1) -> list[str]:
    return [line.removeprefix(name).strip() for line in STAGES[stage] if line.startswith(f"{name} ")]


def environment() -> dict[str, str]:
    return dict(part.split("=", 1) for line in instructions("ENV") for part in line.split())


def matches(pattern: str, path: str) -> bool:
    if pattern.startswith("**/"):
        return fnmatch.fnmatch(path.rpartition("/")[2], pattern[3:])
    return path.count("/") == pattern.count("/") and fnmatch.fnmatch(path, pattern)


def ignored(path: str) -> bool:
    """Whether .dockerignore keeps a file out: the last pattern that matches it or a folder above it decides."""
    parts = path.split("/")
    above = ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
    out = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if any(matches(line.removeprefix("!"), name) for name in above):
            out = not line.startswith("!")
    return out


def test_what_is_copied_is_there_and_nothing_else_gets_in() -> None:
    copied = [source for line in instructions("COPY", 0) for source in line.split()[:-1]]
    assert [source for source in copied if not (ROOT / source).exists()] == []
    sent = {name.split("/")[0] for name in tracked() if not ignored(name)}
    assert sent == set(copied)
    assert ignored("server/__pycache__/app.cpython-311.pyc")
    for secret in ("data/clearcast.db", ".env", ".git/config", ".venv/bin/python"):
        assert ignored(secret)


def test_everything_that_the_package_needs_is_copied_before_it_is_installed() -> None:
    lines = STAGES[0]
    install = next(number for number, line in enumerate(lines) if line.endswith(" ."))
    copied = " ".join(line for line in lines[:install] if line.startswith("COPY"))
    for needed in ("pyproject.toml", "README.md", "LICENSE", "server", "static", "constraints.txt"):
        assert needed in copied
    assert re.search(r"^torch==", (ROOT / "constraints.txt").read_text(), re.MULTILINE)


def test_its_settings_are_settings_and_its_ports_are_the_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = {name: value for name, value in environment().items() if name.startswith(PREFIX)}
    for name, value in chosen.items():
        assert name.removeprefix(PREFIX).lower() in Settings.model_fields
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert instructions("EXPOSE") == [f"{settings.port}/tcp {settings.ice_udp_port}/udp"]
    assert settings.data_dir == Path("/data")
    assert instructions("VOLUME") == instructions("WORKDIR") == [environment()["HOME"]] == ["/data"]


def test_it_runs_as_somebody_without_rights() -> None:
    (user,) = instructions("USER")
    uid, gid = user.split(":")
    assert uid.isdigit() and int(uid) >= 1000  # by number: some orchestrators want to see that it is not root
    assert f"--uid {uid} --gid {gid} --home-dir /data" in " ".join(instructions("RUN"))
    assert all(line.split()[0] != "USER" for line in STAGES[-1][STAGES[-1].index(f"USER {user}") + 1 :])


def test_its_commands_are_the_programs() -> None:
    (entry,), (command,) = (json.loads(line) for line in instructions("ENTRYPOINT") + instructions("CMD"))
    assert entry == "clearcast"
    with pytest.raises(SystemExit) as left:
        cli.main([command, "--help"])
    assert left.value.code == 0


def healthy(**variables: str) -> int:
    """The exit status of the image's health check."""
    (line,) = instructions("HEALTHCHECK")
    command = json.loads(line.partition("CMD ")[2])
    assert command[0] == "python"
    asked = [sys.executable, *command[1:]]
    return subprocess.run(asked, env={"PYTHONPATH": str(ROOT), **variables}, timeout=120, check=False).returncode


@pytest.mark.parametrize("self_signed", [False, True])
async def test_the_health_check_tells_a_server_that_answers(tmp_path: Path, self_signed: bool) -> None:
    data, port = tmp_path / "data", str(free_port())
    variables = {"CLEARCAST_PORT": port, "CLEARCAST_DATA_DIR": str(data), "CLEARCAST_HOST": "0.0.0.0"}
    assert await asyncio.to_thread(healthy, **variables) == 1
    own = load_settings(data_dir=data, port=int(port), host="0.0.0.0", denoise="off", allowed_hosts=["radio.example"])
    async with running(own, self_signed=self_signed, denoise=OffDenoiseService()):
        assert await asyncio.to_thread(healthy, **variables) == 0
