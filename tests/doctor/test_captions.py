"""What the doctor says of the models of captions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from server.config import Settings
from server.doctor.captions import diarizer, recogniser
from server.doctor.findings import State
from server.inference.captioning.finding import NEEDED
from server.inference.models import write_sums


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def settings(folder: Path, **values: Any) -> Settings:
    return Settings(**{"captions": True, "models_dir": folder, "captions_model": "base", **values})


def test_captions_that_are_off_are_no_fault(tmp_path: Path) -> None:
    assert recogniser(settings(tmp_path, captions=False)).state is State.OK
    assert diarizer(settings(tmp_path, diarization=False)).state is State.OK


def test_a_recogniser_that_is_missing_whole_or_damaged(tmp_path: Path) -> None:
    missing = recogniser(settings(tmp_path))
    assert missing.state is State.LOOK and "captions are off" in missing.what
    assert "`clearcast models pull base` fetches it (148 MB)" in missing.remedy
    assert "there is no whisper model mine" in recogniser(settings(tmp_path, captions_model="mine")).what.lower()
    (tmp_path / "base").mkdir()
    for name in NEEDED:
        (tmp_path / "base" / name).write_text("{}")
    found = recogniser(settings(tmp_path, captions_device="cpu"))
    assert found.state is State.OK
    assert "on cpu, int8" in found.what and "no checksums" in found.what and "SHA-256 of model.bin" in found.what
    write_sums(tmp_path / "base")
    assert "as it was fetched" in recogniser(settings(tmp_path)).what
    (tmp_path / "base" / "model.bin").write_text("other")
    damaged = recogniser(settings(tmp_path))
    assert damaged.state is State.LOOK and "model.bin" in damaged.what and "--again base" in damaged.remedy
    (tmp_path / "base" / "clearcast.toml").write_text("no toml")
    assert "clearcast.toml cannot be read" in recogniser(settings(tmp_path)).what


def test_a_diarizer_that_is_missing_whole_or_another(tmp_path: Path) -> None:
    missing = diarizer(settings(tmp_path, models_download=False))
    assert missing.state is State.LOOK and "segmentation-3.0 and campplus" in missing.what
    assert missing.remedy == "`clearcast models pull segmentation-3.0 campplus` fetches them."
    for name, file in (("segmentation-3.0", "model.onnx"), ("campplus", "campplus.onnx")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text("another")
    found = diarizer(settings(tmp_path))
    assert found.state is State.LOOK and "model.onnx" in found.what, "not what was published"
    (tmp_path / "diarization").mkdir()
    for file in ("segmentation.onnx", "embedding.onnx"):
        (tmp_path / "diarization" / file).write_text("mine")
    found = diarizer(settings(tmp_path))
    assert found.state is State.OK and len(found.data["sha256"]) == 2
    assert "no file" in diarizer(settings(tmp_path, diarization_embedding="/nowhere.onnx")).what
