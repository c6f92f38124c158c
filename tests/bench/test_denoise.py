"""`clearcast bench denoise`: one JSON object, and figures that mean what they say."""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from server.bench import denoise
from server.bench.common import emit, main, median_ratio
from server.bench.sound import babble, find_clip, looped, read_wav, si_sdr
from server.errors import InvalidRequest, ModelMissing
from tests.inference.weights import write_random_model

NAME = "DeepFilterNet3"

ONLY_TORCH_AND_NUMPY = """
import sys

absent = ("aiohttp", "aiortc", "av", "df", "libdf", "pydantic", "prometheus_client", "sqlalchemy", "structlog")
sys.modules.update(dict.fromkeys((*absent, "torchaudio"), None))
sys.argv[1:] = ["--json", "--seconds", "0.1", "--rounds", "1", "--device", "cpu"]
from server.bench import denoise
from server.bench.common import main
sys.exit(main("bench", None, denoise.add_arguments, denoise.run))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models")
    write_random_model(NAME, path / NAME)
    return path


@pytest.mark.slow
def test_prints_one_object_with_every_figure(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CLEARCAST_MODELS_DIR", str(folder))
    monkeypatch.delenv("CLEARCAST_CLIPS_DIR", raising=False)
    monkeypatch.setattr(denoise, "P99_S", 0.05)
    monkeypatch.setattr(sys, "argv", ["bench", "--json", "--seconds", "0.3", "--rounds", "1", "--device", "cpu"])
    for _ in range(4):  # once in four times nobody else needs the machine
        assert main("bench", None, denoise.add_arguments, denoise.run) == 0
        result = json.loads(capsys.readouterr().out)
        if result["streams_realtime"] > 0:
            break
    assert 0.0 <= result["parity_max_abs"] <= 1e-4
    assert result["cost_ratio_b32"] < result["cost_ratio_b1"]
    assert list(result["us_per_hop"]) == ["1", "8", "32", "64"]
    assert result["us_per_hop"]["1"] < result["us_per_hop"]["64"]
    assert result["streams_realtime"] > 0
    assert result["runtime"] == "torch.jit"
    assert result["golden_max_abs"] <= 1e-5
    assert result["us_per_hop_p99"]["1"] > 0
    assert (result["device"], result["threads"], result["model"], result["delay"]) == ("cpu", 1, NAME, 1440)


@pytest.mark.slow
def test_runs_with_torch_and_numpy_alone(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ONLY_TORCH_AND_NUMPY],
        env={"CLEARCAST_MODELS_DIR": str(folder), "PYTHONPATH": str(Path(denoise.__file__).parents[2])},
        capture_output=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    result = json.loads(done.stdout)
    assert result["parity_max_abs"] is None
    assert result["cost_ratio_b32"] is None
    assert result["us_per_hop"]["32"] > 0
    assert b"no comparison with the published implementation" in done.stderr


@pytest.fixture
def _no_models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CLEARCAST_MODELS_DIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def test_made_up_weights_need_no_model(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("CLEARCAST_MODELS_DIR", raising=False)
    monkeypatch.setattr(denoise, "P99_S", 0.05)
    options = ["--made-up", "--seconds", "0.1", "--rounds", "1", "--device", "cpu"]
    monkeypatch.setattr(sys, "argv", ["bench", "--json", *options])
    assert main("bench", None, denoise.add_arguments, denoise.run) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["golden_max_abs"] <= 1e-5
    assert result["parity_max_abs"] is result["quiet"] is None


@pytest.mark.usefixtures("_no_models")
def test_without_models_it_says_where_it_looked_and_how_to_get_them() -> None:
    parser = argparse.ArgumentParser()
    denoise.add_arguments(parser)
    with pytest.raises(ModelMissing, match=r"\.cache/clearcast: `clearcast models pull DeepFilterNet3` fetches it"):
        denoise.run(parser.parse_args([]))


def test_what_models_pull_has_fetched_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLEARCAST_MODELS_DIR", str(tmp_path / "elsewhere"))
    fetched = tmp_path / ".cache" / "clearcast" / "DeepFilterNet3"
    fetched.mkdir(parents=True)
    assert denoise._model_dir("DeepFilterNet3") == fetched


@pytest.mark.usefixtures("_no_models")
def test_a_known_mistake_ends_with_its_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", "--json"])
    assert main("bench", None, denoise.add_arguments, denoise.run) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "models pull" in printed.err


def test_figures_that_cannot_be_computed_are_null(capsys: pytest.CaptureFixture[str]) -> None:
    emit({"none": None, "nan": math.nan, "inf": [math.inf], "deep": {1: 0.5}}, argparse.Namespace(json=True))
    assert json.loads(capsys.readouterr().out) == {"none": None, "nan": None, "inf": [None], "deep": {"1": 0.5}}


def test_people_get_a_line_for_each_figure(capsys: pytest.CaptureFixture[str]) -> None:
    emit({"parity_max_abs": None, "threads": 1}, argparse.Namespace(json=False))
    assert capsys.readouterr().out == "parity_max_abs  –\nthreads         1\n"


def test_ratio_is_the_median_over_the_rounds() -> None:
    assert median_ratio([1.0, 4.0, 9.0], [1.0, 2.0, 3.0]) == 2.0
    assert median_ratio([], []) is None


@pytest.mark.parametrize(
    ("us_per_hop", "streams"),
    [
        ({1: 1000.0, 8: 2000.0, 32: 5000.0, 64: 9000.0}, 72),
        ({1: 1000.0, 8: 4000.0, 32: 16000.0, 64: 32000.0}, 20),
        ({1: 11000.0, 8: 12000.0, 32: 13000.0, 64: 14000.0}, 0),
    ],
)
def test_streams_in_real_time(us_per_hop: dict[int, float], streams: int) -> None:
    assert denoise.streams_in_real_time(us_per_hop) == streams


def test_si_sdr_ignores_loudness_and_knows_noise() -> None:
    speech = babble(1.0)
    assert si_sdr(speech, 0.1 * speech) > 60.0
    assert si_sdr(speech, speech + 0.1 * speech[::-1]) == pytest.approx(20.0, abs=1.0)


def test_clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLEARCAST_CLIPS_DIR", raising=False)
    clip = find_clip()
    assert clip.clean is not None
    assert len(looped(clip.noisy, 25.0)) == 25 * 48_000
    (tmp_path / "x.wav").write_bytes(b"RIFF")
    with pytest.raises(InvalidRequest, match="WAV"):
        read_wav(tmp_path / "x.wav")
