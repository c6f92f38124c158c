"""The published weights, taken by parameter name and checked on the way."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from zipfile import BadZipFile

import torch
from torch import Tensor

from server.errors import ModelCorrupt, ModelMissing

_EPSILON = 1e-5
"""What batch normalisation adds to the variance."""


def find_checkpoint(model_dir: Path) -> Path:
    """The newest `model_<epoch>.ckpt.best` of a model's folder, else the newest `.ckpt`. Raises ModelMissing."""
    folder = model_dir / "checkpoints"
    for pattern in ("model*.ckpt.best", "model*.ckpt"):
        found = list(folder.glob(pattern))
        if found:
            return max(found, key=_epoch)
    raise ModelMissing(f"The denoiser's weights (checkpoints/model_*.ckpt.best) are missing from {model_dir}.")


def _epoch(path: Path) -> int:
    match = re.search(r"_(\d+)\.", path.name)
    return int(match.group(1)) if match else -1


class Weights:
    """The parameters of a checkpoint.

    Whatever is taken comes as float32 on the processor; ModelCorrupt says what is missing or misshapen.
    """

    def __init__(self, tensors: dict[str, Tensor], source: str) -> None:
        self._tensors = tensors
        self._source = source

    @classmethod
    def read(cls, path: Path) -> Weights:
        """Raises ModelMissing and ModelCorrupt."""
        try:
            # Tensors only: a checkpoint must not be able to run code.
            loaded = torch.load(path, map_location="cpu", weights_only=True)
        except FileNotFoundError:
            raise ModelMissing(f"The denoiser's weights {path} are missing.") from None
        except (OSError, RuntimeError, EOFError, ValueError, KeyError, BadZipFile, pickle.UnpicklingError) as error:
            raise ModelCorrupt(
                f"The denoiser's weights {path} cannot be read; delete the folder and fetch the model again."
            ) from error
        if not isinstance(loaded, dict):
            raise ModelCorrupt(f"{path} holds no weights.")
        return cls({name: value for name, value in loaded.items() if isinstance(value, Tensor)}, str(path))

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def take(self, name: str, *shape: int | None) -> Tensor:
        """Parameter `name`, whose shape must be `shape`; None stands for any size."""
        tensor = self._found(name, shape)
        if len(tensor.shape) != len(shape) or any(w not in (None, s) for s, w in zip(tensor.shape, shape, strict=True)):
            wanted = tuple("any" if size is None else size for size in shape)
            raise ModelCorrupt(f"{self._source}: parameter {name} has shape {tuple(tensor.shape)} instead of {wanted}.")
        if not bool(torch.isfinite(tensor).all()):
            raise ModelCorrupt(f"{self._source}: parameter {name} is not finite.")
        return tensor

    def _found(self, name: str, shape: tuple[int | None, ...]) -> Tensor:
        try:
            return self._tensors[name].detach().to(torch.float32)
        except KeyError:
            raise ModelCorrupt(f"{self._source}: parameter {name} is missing.") from None

    def normalisation(self, name: str, channels: int) -> tuple[Tensor, Tensor]:
        """Batch normalisation `name` as (factor, offset), each of shape (channels,)."""
        weight, bias, mean, variance = (
            self.take(f"{name}.{part}", channels) for part in ("weight", "bias", "running_mean", "running_var")
        )
        factor = weight / torch.sqrt(variance + _EPSILON)
        return factor, bias - mean * factor

    def mismatch(self, message: str) -> ModelCorrupt:
        """The error for parameters that do not fit each other."""
        return ModelCorrupt(f"{self._source}: {message}.")
