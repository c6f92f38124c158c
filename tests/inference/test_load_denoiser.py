"""Loading a denoiser: what is missing or broken is said in words."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from server.errors import ModelCorrupt, ModelMissing, Unavailable
from server.inference.deepfilter.config import read_config
from server.inference.deepfilter.weights import find_checkpoint
from server.inference.denoiser import load_denoiser
from tests.inference.weights import write_random_model

NAME = "DeepFilterNet3"
CHECKPOINT = Path("checkpoints") / "model_7.ckpt.best"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random_model(NAME, tmp_path_factory.mktemp("published") / NAME)


@pytest.fixture
def model(published: Path, tmp_path: Path) -> Path:
    """A copy that a test may break."""
    return Path(shutil.copytree(published, tmp_path / NAME))


def test_loads_what_is_whole(model: Path) -> None:
    denoiser = load_denoiser(NAME, model, "cpu", 1, 4)
    assert (denoiser.name, denoiser.device, denoiser.delay, denoiser.capacity) == (NAME, "cpu", 1440, 4)


def test_unknown_name_lists_the_known_ones(model: Path) -> None:
    with pytest.raises(ModelMissing, match="DeepFilterNet3, DeepFilterNet2 or RNNoise"):
        load_denoiser("Nonsense", model)


def test_no_folder_names_the_way_to_get_it() -> None:
    with pytest.raises(ModelMissing, match="clearcast models pull DeepFilterNet3"):
        load_denoiser(NAME, None)


@pytest.mark.parametrize("gone", ["config.ini", "checkpoints"])
def test_missing_files_are_named(model: Path, gone: str) -> None:
    path = model / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(ModelMissing, match=gone):
        load_denoiser(NAME, model, "cpu")


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04 cut short"], ids=["empty", "text", "zip"])
def test_unreadable_weights(model: Path, content: bytes) -> None:
    (model / CHECKPOINT).write_bytes(content)
    with pytest.raises(ModelCorrupt, match="fetch the model again"):
        load_denoiser(NAME, model, "cpu")


def test_weights_cut_off_by_a_broken_download(model: Path) -> None:
    whole = (model / CHECKPOINT).read_bytes()
    (model / CHECKPOINT).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelCorrupt, match="fetch the model again"):
        load_denoiser(NAME, model, "cpu")


def test_weights_that_would_run_code_are_refused(model: Path) -> None:
    torch.save({"weight": shutil.rmtree}, model / CHECKPOINT)
    with pytest.raises(ModelCorrupt):
        load_denoiser(NAME, model, "cpu")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda tensors: tensors.pop("enc.df_conv0.1.weight"), r"enc\.df_conv0\.1\.weight is missing"),
        (lambda tensors: tensors.update({"enc.erb_conv0.1.weight": torch.zeros(64, 1, 5, 5)}), "has shape"),
        (lambda tensors: tensors["df_dec.df_out.0.weight"].fill_(float("nan")), "not finite"),
        (lambda tensors: tensors.update({"df_dec.df_out.0.weight": torch.zeros(16, 16, 10)}), "does not map"),
    ],
    ids=["missing", "misshapen", "not finite", "does not fit"],
)
def test_weights_that_do_not_fit_are_named(model: Path, change: object, words: str) -> None:
    tensors = torch.load(model / CHECKPOINT, weights_only=True)
    change(tensors)  # type: ignore[operator]
    torch.save(tensors, model / CHECKPOINT)
    with pytest.raises(ModelCorrupt, match=words):
        load_denoiser(NAME, model, "cpu")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("model = deepfilternet3", "model = somethingelse", "somethingelse"),
        ("sr = 48000", "sr = 16000", "sr = 16000"),
        ("nb_df = 96", "nb_df = many", "nb_df = many"),
        ("nb_df = 96", "", "nb_df is missing"),
        ("nb_df = 96", "nb_df = -3", "nb_df = -3"),
        ("df_order = 5", "df_order = 7", "order 5"),
        ("[df]", "[df", "cannot be read"),
    ],
)
def test_configurations_that_cannot_be_run(model: Path, old: str, new: str, words: str) -> None:
    path = model / "config.ini"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ModelCorrupt, match=words):
        read_config(path)


def test_the_best_and_newest_checkpoint_is_taken(model: Path) -> None:
    for name in ("model_9.ckpt.best", "model_10.ckpt.best", "model_50.ckpt"):
        shutil.copy(model / CHECKPOINT, model / "checkpoints" / name)
    assert find_checkpoint(model).name == "model_10.ckpt.best"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_missing_gpu_is_said_and_auto_does_without(model: Path) -> None:
    with pytest.raises(Unavailable, match="no NVIDIA GPU"):
        load_denoiser(NAME, model, "cuda")
    assert load_denoiser(NAME, model, "auto").device == "cpu"
