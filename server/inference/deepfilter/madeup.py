"""Models of made-up weights: as large and as fast as the published ones, to be had without a download."""

from __future__ import annotations

from zlib import crc32

import numpy as np
import torch
from numpy.typing import NDArray

from server.inference.deepfilter.config import ModelConfig
from server.inference.deepfilter.runtime import DeepFilterDenoiser, assemble
from server.inference.deepfilter.weights import Weights

_GROUPED = {
    "DeepFilterNet3": {
        "enc.df_fc_emb.0": (32, 96, 16),
        "enc.emb_gru.linear_in.0": (16, 32, 16),
        "enc.emb_gru.linear_out.0": (16, 16, 32),
        "erb_dec.emb_gru.linear_in.0": (16, 32, 16),
        "erb_dec.emb_gru.linear_out.0": (16, 16, 32),
        "df_dec.df_gru.linear_in.0": (8, 64, 32),
        "df_dec.df_skip": (16, 32, 16),
        "df_dec.df_out.0": (16, 16, 60),
    },
    "DeepFilterNet2": {
        "enc.df_fc_emb.0": (8, 384, 64),
        "enc.emb_gru.linear_in.0": (8, 128, 32),
        "erb_dec.emb_gru.linear_in.0": (8, 32, 32),
        "erb_dec.emb_gru.linear_out.0": (8, 32, 64),
        "df_dec.df_gru.linear_in.0": (8, 32, 32),
        "df_dec.df_out.0": (8, 32, 120),
    },
}
_LAYERS = {"enc.emb_gru.gru": 1, "erb_dec.emb_gru.gru": 2, "df_dec.df_gru.gru": 2}


def parameter(name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """A made-up parameter, the same everywhere."""
    random = np.random.default_rng(crc32(name.encode()))
    if name.endswith("running_var"):
        values = random.uniform(0.5, 2.0, shape)
    elif name.endswith("running_mean"):
        values = random.normal(0.0, 0.2, shape)
    elif len(shape) == 1:
        values = random.uniform(0.5, 1.5, shape) if name.endswith("weight") else random.normal(0.0, 0.1, shape)
    else:
        inputs = shape[-2] if len(shape) == 3 else int(np.prod(shape[1:]))
        values = random.uniform(-1.0, 1.0, shape) / np.sqrt(inputs)
    made: NDArray[np.float32] = values.astype(np.float32)
    return made


class MadeUpWeights(Weights):
    """Parameters of any shape asked for, as `parameter` makes them."""

    def __init__(self, model: str) -> None:
        super().__init__({}, "made-up weights")
        self._shapes: dict[str, tuple[int, ...]] = {f"{name}.weight": s for name, s in _GROUPED[model].items()}
        self._shapes["enc.erb_conv1.0.weight"] = (64, 1, 1, 3)
        for name, layers in _LAYERS.items():
            for layer in range(layers):
                self._shapes[f"{name}.weight_hh_l{layer}"] = (768, 256)

    def __contains__(self, name: str) -> bool:
        return name in self._shapes

    def _found(self, name: str, shape: tuple[int | None, ...]) -> torch.Tensor:
        known = self._shapes.get(name)
        return torch.from_numpy(parameter(name, known or tuple(size or 1 for size in shape)))


def config_of(model: str) -> ModelConfig:
    """As published."""
    return ModelConfig(model.lower(), 32, 96, 5, 2, 2, 0.99)


def made_up(model: str, device: str = "cpu", capacity: int = 4, runtime: str = "auto") -> DeepFilterDenoiser:
    """A denoiser of made-up weights."""
    return assemble(model, config_of(model), MadeUpWeights(model), device, capacity, runtime=runtime)
