"""The command, as a person runs it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from server import __version__
from server.audio.ogg import scan
from server.cli import BENCHES
from server.client.whip import Publication, packets
from server.clock import PACKET
from tests.conftest import free_port

Started = Callable[..., "subprocess.Popen[str]"]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "server", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **environment},
    )


@pytest.fixture
def spawn(tmp_path: Path) -> Iterator[Started]:
    """Starts a command in the background, ended after the test."""
    processes: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "server", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "CLEARCAST_DATA_DIR": str(tmp_path / "data"), **environment},
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


def fetch(url: str, seconds: float = 90, context: ssl.SSLContext | None = None) -> Any:
    """What `url` answers, once it does."""
    limit = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5, context=context) as response:
                return json.load(response)
        except OSError:
            if time.monotonic() > limit:
                raise
            time.sleep(0.1)


def test_version_and_help() -> None:
    assert run("--version").stdout == f"clearcast {__version__}\n"
    shown = run("--help").stdout
    for command in ("serve", "publish", "listen", "demo", "models", "bench"):
        assert command in shown


def test_each_bench_tells_what_it_is() -> None:
    shown = run("bench", "--help")
    assert shown.returncode == 0
    for name in BENCHES:
        assert name in shown.stdout
    assert "--json" in run("bench", "latency", "--help").stdout


@pytest.mark.parametrize(
    "arguments", [[], ["dance"], ["serve", "--port", "x"], ["serve", "extra"], ["bench"], ["bench", "luck"]]
)
def test_mistakes_in_arguments_exit_with_2(arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr


def test_mistakes_in_settings_are_one_line_each(tmp_path: Path) -> None:
    result = run("serve", CLEARCAST_PORT="x", CLEARCAST_DENOISE="loud", CLEARCAST_DATA_DIR=str(tmp_path))
    assert result.returncode == 2
    lines = result.stderr.splitlines()
    assert [line.split(" ")[1] for line in lines] == ["CLEARCAST_PORT", "CLEARCAST_DENOISE"]


def test_a_database_address_that_means_nothing(tmp_path: Path) -> None:
    result = run("serve", "--port", "0", CLEARCAST_DATABASE_URL="mysql://x", CLEARCAST_DATA_DIR=str(tmp_path))
    assert (result.returncode, len(result.stderr.splitlines())) == (2, 1)
    assert "CLEARCAST_DATABASE_URL" in result.stderr


def test_a_server_serves_and_ends_when_asked(spawn: Started, tmp_path: Path) -> None:
    port = free_port()
    server = spawn("serve", "--port", str(port), CLEARCAST_DENOISE="off")
    assert fetch(f"http://127.0.0.1:{port}/health/ready")["status"] == "ok"

    second = run("serve", "--port", str(port), CLEARCAST_DATA_DIR=str(tmp_path / "other"))
    assert second.returncode == 1
    assert second.stderr.startswith(f"clearcast: Port {port} of 127.0.0.1 is in use")
    assert len(second.stderr.splitlines()) == 1

    server.send_signal(signal.SIGTERM)
    out, err = server.communicate(timeout=60)
    assert server.returncode == 0, err
    assert out == ""
    assert f"Open http://localhost:{port}" in err


def test_https_with_a_certificate_of_our_own(spawn: Started, tmp_path: Path) -> None:
    port = free_port()
    server = spawn("serve", "--port", str(port), "--tls", "self-signed", CLEARCAST_DENOISE="off")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    assert fetch(f"https://127.0.0.1:{port}/api/v1/config", context=context)["secure"] is True
    stranger = run("listen", "--server", f"https://127.0.0.1:{port}", "--seconds", "1")
    assert stranger.returncode == 1
    assert "is not to be trusted" in stranger.stderr and "--insecure" in stranger.stderr
    server.send_signal(signal.SIGINT)
    _, err = server.communicate(timeout=60)
    assert server.returncode == 0
    assert f"Open https://localhost:{port}" in err
    assert "SHA-256" in err
    both = run("serve", "--tls", "self-signed", CLEARCAST_TLS_CERTIFICATE="a", CLEARCAST_TLS_KEY="b")
    assert both.returncode == 2


def test_the_demo_is_live_on_its_own_channel(spawn: Started, tmp_path: Path) -> None:
    port = free_port()
    demo = spawn("demo", "--port", str(port), CLEARCAST_DENOISE="RNNoise")
    limit = time.monotonic() + 90
    while (stream := fetch(f"http://127.0.0.1:{port}/api/v1/streams?state=live")["items"]) == []:
        assert time.monotonic() < limit
        time.sleep(0.2)
    assert stream[0]["channel"]["slug"] == "demo"
    again = run("demo", "--port", str(port), CLEARCAST_DENOISE="RNNoise", CLEARCAST_DATA_DIR=str(tmp_path / "other"))
    assert again.returncode == 0
    assert f"The demo is live already: http://localhost:{port}/listen/demo" in again.stderr
    demo.send_signal(signal.SIGINT)
    _, err = demo.communicate(timeout=60)
    assert demo.returncode == 0, err
    assert f"http://localhost:{port}/listen/demo" in err


def test_the_demo_with_accounts_is_between_two_friends(spawn: Started) -> None:
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    demo = spawn("demo", "--port", str(port), CLEARCAST_DENOISE="RNNoise", CLEARCAST_ACCOUNTS="true")
    assert demo.stderr is not None
    told = ""
    for line in demo.stderr:
        told += line
        if f"Listen to the demo at http://localhost:{port}/listen/demo" in line:
            break
    passwords = dict(re.findall(r"^  (anna|ben) +password (\S{16})$", told, re.MULTILINE))
    assert set(passwords) == {"anna", "ben"}, told
    jar = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    wanted = json.dumps({"name": "ben", "password": passwords["ben"]}).encode()
    headers = {"Content-Type": "application/json"}
    jar.open(urllib.request.Request(f"{base}/api/v1/auth/sign-in", wanted, headers)).close()
    with jar.open(f"{base}/api/v1/streams?state=live") as answer:
        (stream,) = json.load(answer)["items"]
    assert (stream["channel"]["slug"], stream["host"]) == ("demo", "Anna (demo)")
    demo.send_signal(signal.SIGINT)
    _, rest = demo.communicate(timeout=60)
    assert demo.returncode == 0, rest
    assert "Traceback" not in told + rest


def test_models_are_listed(tmp_path: Path) -> None:
    result = run("models", "list", HOME=str(tmp_path), CLEARCAST_MODELS_DIR="")
    assert "DeepFilterNet3" in result.stdout
    assert "RNNoise" in result.stdout
    unknown = run("models", "pull", "Nonsense")
    assert unknown.returncode == 1
    assert "Nonsense" in unknown.stderr


def test_nobody_to_talk_to_is_one_line() -> None:
    result = run("publish", "--server", "http://127.0.0.1:9", str(Path(__file__)))
    assert result.returncode == 1
    assert "Traceback" not in result.stderr


async def test_a_server_that_is_asked_to_stop_while_live_keeps_everything(spawn: Started, tmp_path: Path) -> None:
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    server = spawn("serve", "--port", str(port), CLEARCAST_DENOISE="RNNoise")
    await asyncio.to_thread(fetch, f"{base}/health/live")
    publication = await Publication.start(f"{base}/whip/studio")
    for number, packet in enumerate(packets([np.full(48_000, 0.1, np.float32)])):
        publication.send(packet, number * PACKET)
        await asyncio.sleep(0.02)
    page = socket.create_connection(("127.0.0.1", port))  # a connection that never says anything
    server.send_signal(signal.SIGTERM)
    _, err = await asyncio.to_thread(server.communicate, timeout=60)
    page.close()
    await publication.stop()
    assert server.returncode == 0, err
    assert "Traceback" not in err
    file = tmp_path / "data" / "recordings" / str(publication.stream_id) / "clean.opus"
    with file.open("rb") as opened:
        info = scan(opened)
    assert (info.closed, info.torn_bytes, info.damages) == (False, 0, ())  # whole, and left for the next run to go on
    assert info.duration_samples > 0.8 * 48_000
