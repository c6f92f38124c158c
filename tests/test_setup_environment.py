"""Setting .venv/ up: what is chosen, what is said, and that a second call does nothing."""

from __future__ import annotations

import http.server
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.source import ROOT
from tools import setup_environment as setup


class Index(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/torch/" else 404)
        self.end_headers()
        self.wfile.write(b"<a>torch-2.8.0+cpu</a>")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def index() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Index) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder that can be installed and needs nothing from anywhere."""
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


class Recorder(setup.Setup):
    """A real virtual environment, without what pip would put into it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.commands: list[tuple[str, ...]] = []

    def _pip(self, *arguments: str, hint: str = "") -> None:
        self.commands.append(arguments)


def test_an_index_that_answers(index: str) -> None:
    assert setup.index_answers(index)
    assert not setup.index_answers(f"{index}/elsewhere")


def test_an_index_that_is_silent_is_given_up_quickly() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        assert not setup.index_answers(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.3)
        assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("wish", "card", "answers", "chosen"),
    [
        (None, True, True, "cuda"),
        (None, False, True, "cpu"),
        (None, False, False, "cuda"),
        ("1", False, True, "cuda"),
        ("0", True, True, "cpu"),
    ],
)
def test_which_build_of_pytorch(
    monkeypatch: pytest.MonkeyPatch, wish: str | None, card: bool, answers: bool, chosen: str
) -> None:
    monkeypatch.setattr(setup, "has_nvidia_card", lambda: card)
    monkeypatch.setattr(setup, "index_answers", lambda: answers)
    build, why = setup.choose_torch(wish, None)
    assert build == chosen
    assert why


def test_first_it_says_what_it_will_download() -> None:
    text = setup.plan_text("cpu", "no NVIDIA card was found", ("test",), 5000)
    assert re.search(r"PyTorch for processors +190 MB", text)
    assert re.search(r"packages for: test +90 MB", text)
    assert re.search(r"models, once the server runs +0.1 to 1.7 GB", text)
    assert "about 560 MB to download and 2.1 GB on the disk, where 5.0 GB are free" in text


def test_the_second_time_there_is_nothing_to_do(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GPU", "0")
    monkeypatch.setattr(setup, "index_answers", lambda: True)
    torch = setup.pinned(ROOT / "constraints.txt", setup.TORCH_PACKAGES)

    first = Recorder(project)
    first.run(())
    assert "It will download" in capsys.readouterr().out
    assert first.commands == [
        ("install", "--no-deps", "--index-url", setup.CPU_INDEX, *torch),
        ("install", "--constraint", str(project / "constraints.txt"), "--editable", str(project)),
    ]

    more = Recorder(project)
    more.run(("test",))
    assert more.commands[0][-3:] == tuple(torch)
    assert more.commands[1][-1] == f"{project}[test]"

    for extras in ((), ("test",)):
        again = Recorder(project)
        again.run(extras)
        assert again.commands == []
    assert "It will" not in capsys.readouterr().out

    monkeypatch.setenv("GPU", "1")
    other = Recorder(project)
    other.run(())
    assert other.commands[0][0] == "uninstall"
    assert other.commands[1][-1] == f"{project}[test]"


def test_a_folder_that_moved_gets_a_new_environment(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPU", "1")
    Recorder(project).run(())
    moved = project.parent / "moved"
    project.rename(moved)
    again = Recorder(moved)
    again.run(())
    assert len(again.commands) == 1
    assert subprocess.run([moved / ".venv/bin/python", "-c", ""], check=False).returncode == 0


def test_only_what_gets_installed_makes_it_install_again(project: Path) -> None:
    before = setup.requirements_digest(project)
    description = project / "pyproject.toml"
    description.write_text(description.read_text().replace("line-length = 120", "line-length = 100"))
    assert setup.requirements_digest(project) == before
    description.write_text(description.read_text().replace('"uvloop",', ""))
    assert setup.requirements_digest(project) != before


def test_it_runs_with_the_standard_library_alone() -> None:
    command = [sys.executable, "-I", "-S", ROOT / "tools" / "setup_environment.py", "nonsense"]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert refused.stderr == "There is no extra nonsense; there are test, quality.\n"
