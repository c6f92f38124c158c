"""Which models hear on a machine, how they are run, and what they can be asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from server.clock import SAMPLE_RATE
from server.config import Settings
from server.errors import InvalidRequest, ModelCorrupt
from server.inference.caption_lane import CaptionOptions
from server.inference.captioning.abilities import abilities
from server.inference.captioning.choice import Hardware, diarizer_config, model_name, worker_config
from server.inference.captioning.finding import NEEDED, find
from server.inference.captioning.settings import CaptionWorkerConfig
from server.inference.wanted import wanted_models

SMALL, LARGE, GPU = Hardware(2, False), Hardware(16, False), Hardware(16, True)


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def settings(**values: Any) -> Settings:
    return Settings(**{"captions": True, "models_download": False, **values})


def whisper(folder: Path, name: str, tokens: str = "<|en|><|de|><|translate|>") -> Path:
    model = folder / name
    model.mkdir(parents=True)
    for file in NEEDED:
        (model / file).write_text(tokens)
    return model


def config(folder: Path, hardware: Hardware = SMALL, **values: Any) -> CaptionWorkerConfig:
    return worker_config(settings(**values), folder.name, folder, hardware, None)


def test_the_model_suits_the_hardware_unless_somebody_chose() -> None:
    assert [model_name(settings(), hardware) for hardware in (Hardware(1, False), SMALL, LARGE, GPU)] == [
        "tiny",
        "base",
        "small",
        "large-v3-turbo",
    ]
    assert model_name(settings(captions_device="cpu"), GPU) == "small"
    assert model_name(settings(captions_model="/models/mine"), GPU) == "/models/mine"


def test_how_a_model_runs_follows_device_family_and_settings(tmp_path: Path) -> None:
    plain = config(whisper(tmp_path, "base"))
    assert plain.recogniser_options().compute_type == "int8"
    assert (plain.batch, plain.recogniser_options().threads) == (1, 1)
    on_gpu = config(tmp_path / "base", GPU)
    assert (on_gpu.recogniser_options().device, on_gpu.recogniser_options().compute_type) == ("cuda", "float16")
    assert on_gpu.recogniser_options().batch == on_gpu.batch > 1
    nano = config(whisper(tmp_path, "whisper-nano"))
    assert nano.transcriber_options().prompt == 0
    assert nano.recogniser_options().compute_type == "default"
    chosen = config(
        tmp_path / "whisper-nano",
        captions_prompt=100,
        captions_step_ms=750,
        captions_window_s=20,
        captions_beam=3,
        captions_threads=2,
        captions_compute_type="float32",
        captions_no_speech=0.7,
        captions_compression=3.0,
        captions_language="de",
    )
    transcriber = chosen.transcriber_options()
    assert (transcriber.prompt, transcriber.step, transcriber.window) == (100, 36_000, 20 * SAMPLE_RATE)
    assert (transcriber.guards.compression, transcriber.guards.evidence.no_speech) == (3.0, 0.7)
    assert transcriber.language == "de"
    recogniser = chosen.recogniser_options()
    assert (recogniser.beam, recogniser.threads, recogniser.compute_type) == (3, 2, "float32")
    assert CaptionWorkerConfig(**json.loads(chosen.to_json())) == chosen


def test_a_model_that_nobody_knows_brings_its_settings_along(tmp_path: Path) -> None:
    folder = whisper(tmp_path, "mine")
    (folder / "clearcast.toml").write_text('prompt = 10\ntranslates = false\nlanguages = ["fr"]\nwindow = 15.0\n')
    assert config(folder).transcriber_options().prompt == 10
    assert config(folder).transcriber_options().window == 15 * SAMPLE_RATE
    with pytest.raises(InvalidRequest):
        abilities("mine", folder).check(CaptionOptions(language="en"))
    (folder / "clearcast.toml").write_text("prompt =")
    with pytest.raises(ModelCorrupt, match=r"clearcast\.toml"):
        config(folder)


@pytest.mark.parametrize(
    ("name", "tokens", "options", "refused"),
    [
        ("base", "<|en|><|de|><|translate|>", CaptionOptions("de", translate=True), None),
        ("base", "<|en|><|de|><|translate|>", CaptionOptions("xx"), "does not know the language 'xx'"),
        ("base", "<|en|><|de|>", CaptionOptions(translate=True), "does not translate"),
        ("large-v3-turbo", "<|en|><|translate|>", CaptionOptions(translate=True), "does not translate"),
        ("distil-large-v3", "<|en|><|de|><|translate|>", CaptionOptions("de"), "it knows en"),
        ("small.en", "<|en|><|de|><|translate|>", CaptionOptions("de"), "it knows en"),
        ("small.en", "<|en|><|de|><|translate|>", CaptionOptions("en"), None),
        ("mine", "", CaptionOptions("de", translate=True), None),
    ],
)
def test_what_a_model_cannot_do_is_refused_in_words(
    tmp_path: Path, name: str, tokens: str, options: CaptionOptions, refused: str | None
) -> None:
    able = abilities(name, whisper(tmp_path, name, tokens))
    if refused is None:
        able.check(options)
        return
    with pytest.raises(InvalidRequest, match=refused):
        able.check(options)


def test_models_are_found_and_what_is_missing_is_known(tmp_path: Path) -> None:
    found = find(settings(models_dir=tmp_path), SMALL)
    assert found.folder is None and found.segmentation is None
    assert [spec.name for spec in found.missing] == ["base", "segmentation-3.0", "campplus"]
    whisper(tmp_path, "base")
    (tmp_path / "diarization").mkdir()
    for name in ("segmentation.onnx", "embedding.onnx"):
        (tmp_path / "diarization" / name).touch()
    found = find(settings(models_dir=tmp_path), SMALL)
    assert (found.name, found.folder, found.missing) == ("base", tmp_path / "base", ())
    assert found.embedding == str(tmp_path / "diarization" / "embedding.onnx")
    assert find(settings(models_dir=tmp_path, captions_model=str(tmp_path / "base")), SMALL).folder is not None
    assert find(settings(models_dir=tmp_path, diarization=False), SMALL).segmentation is None
    assert find(settings(models_dir=tmp_path, captions_model="small"), SMALL).folder is None
    assert find(settings(models_dir=tmp_path), LARGE).name == "base", "better than none"


def test_what_the_settings_ask_for_can_be_fetched() -> None:
    assert wanted_models(settings(captions_model="small")) == [
        "DeepFilterNet3",
        "small",
        "segmentation-3.0",
        "campplus",
    ]
    assert wanted_models(settings(captions=False, denoise="RNNoise")) == []
    assert wanted_models(settings(captions_model="/mine", diarization=False, denoise="off")) == []


def test_what_the_diarizer_is_told() -> None:
    told = diarizer_config(settings(diarization_latency_s=2.2, diarization_new=0.8), "a.onnx", "b.onnx")
    assert (told["latency"], told["thresholds"], told["device"]) == (2.0, {"new": 0.8}, "cpu")
