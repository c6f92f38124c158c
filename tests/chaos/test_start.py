"""What a server needs is missing or damaged when it starts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.bench.local import LocalServer
from tests.chaos.scene import Ear, Speaker, decibels, noise, request, until, whole_server
from tests.disks import mounted


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder without downloaded models."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A disk on which nothing can be written, whoever tries."""
    with mounted(tmp_path / "disk", "ro") as folder:
        yield folder


def test_a_folder_that_cannot_be_written_is_one_clear_line(read_only: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "server", "serve", "--port", "0", "--data-dir", str(read_only / "data")],
        env=os.environ | {"CLEARCAST_DENOISE": "off"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert str(read_only / "data") in line
    assert "read-only" in line
    assert "CLEARCAST_DATA_DIR" in line


async def assert_rnnoise_takes_over(server: LocalServer, *words: str) -> None:
    """Its lane cleans a stream, and every place where a person looks says why it is not DeepFilterNet3."""
    assert await server.wait_for_denoiser() == "RNNoise"
    detail = (await server.get("/api/v1/config"))["denoise"]["detail"]
    status, health = await request(server, "GET", "/health/ready")
    assert (status, health["status"], health["components"]["models"]["state"]) == (200, "degraded", "degraded")
    assert health["components"]["models"]["detail"] == detail
    log = server.log.read_text()
    for word in ("DeepFilterNet3", "RNNoise", "clearcast models pull", *words):
        assert word in detail
    assert detail in log
    ear = await Ear.start(server)
    speaker = await Speaker.start(server, sound=noise(), record=False)
    await ear.heard(1.0)
    await until(lambda: ear.quietest() < decibels(noise()) - 15, 60)
    denoise = (await server.get(f"/api/v1/streams/{speaker.id}"))["denoise"]
    assert (denoise["state"], denoise["engine"], denoise["detail"]) == ("ok", "RNNoise", detail)
    await speaker.stop()
    await ear.stop()
    ear.assert_whole()


@pytest.mark.usefixtures("home")
async def test_without_a_model_rnnoise_takes_over_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    async with whole_server(tmp_path, denoise="DeepFilterNet3", models_dir=tmp_path / "models") as server:
        await assert_rnnoise_takes_over(server, "is not installed")


@pytest.mark.usefixtures("home")
async def test_a_checkpoint_that_was_cut_off_is_not_used_and_named(tmp_path: Path, models_dir: Path) -> None:
    shutil.copytree(models_dir / "DeepFilterNet3", tmp_path / "models" / "DeepFilterNet3")
    for checkpoint in (tmp_path / "models").rglob("*.ckpt*"):
        checkpoint.chmod(0o600)  # it may have been one that nobody may change
        os.truncate(checkpoint, checkpoint.stat().st_size // 2)
    async with whole_server(tmp_path, denoise="DeepFilterNet3", models_dir=tmp_path / "models") as server:
        await assert_rnnoise_takes_over(server, "damaged")
        assert str(tmp_path / "models" / "DeepFilterNet3") in server.log.read_text()


async def test_a_server_without_noise_removal_is_well_and_says_so(tmp_path: Path) -> None:
    async with whole_server(tmp_path, denoise="off") as server:
        assert (await server.get("/api/v1/config"))["denoise"]["state"] == "off"
        status, health = await request(server, "GET", "/health/ready")
        assert (status, health["status"], health["components"]["models"]["state"]) == (200, "ok", "off")
        ear = await Ear.start(server)
        speaker = await Speaker.start(server, denoise="active", record=False)
        await ear.heard(1.0)
        denoise = (await server.get(f"/api/v1/streams/{speaker.id}"))["denoise"]
        assert (denoise["mode"], denoise["state"]) == ("absent", "off")
        status, problem = await request(server, "PATCH", f"/api/v1/streams/{speaker.id}", json={"denoise": "active"})
        assert (status, problem["status"]) == (409, 409)
        await speaker.stop()
        await ear.stop()
        ear.assert_whole()
