"""What a stream's slot remembers between two hops."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from server.inference.deepfilter.config import ModelConfig

State = dict[str, Tensor]
"""Views of some slots' memory, by name; the first dimension counts the slots."""

LEVEL, GAIN, AGE, YOUTH = range(4)
"""Places in `loudness`: the talk's level and the gain that the network hears it with, dB; the weight that the values
with which the running norms began still have in them; how little has been heard so far, from 1 down."""


def first_norms(bins: int) -> Tensor:
    """Where the running norms of the lowest bins start: where those of quiet speech lie, falling with frequency."""
    return torch.from_numpy(np.linspace(1e-3, 1e-4, bins, dtype=np.float32))


class Layout:
    """Where each part lies in a slot's memory, one row of numbers.

    One row a slot makes gathering some slots, putting them back and forgetting one a single operation each. Parts
    of the network's own memory, all zero at the start, lie last.
    """

    def __init__(self, config: ModelConfig, channels: int, size: int, layers: int, outputs: int) -> None:
        wait = config.lookahead
        low, bins = config.filter_bins, config.bins
        parts: dict[str, tuple[int, ...]] = {
            "analysis": (config.hop,),
            "synthesis": (config.hop,),
            "low": (config.order, low, 2),
            "waiting": (wait, bins, 2),
            "band_mean": (config.bands,),
            "bin_norm": (low,),
            "loudness": (4,),
        }
        network: dict[str, tuple[int, ...]] = {
            "band_input": (2, config.bands, 1),
            "bin_input": (2, low, 2),
            "hidden": (layers, size),
            "pathway": (2, 4 * outputs // 2, low),
        }
        if config.filters_masked:
            network["masked"] = (wait, bins, 2)
            network["coefficients"] = (wait, low, outputs)
        self._parts: dict[str, tuple[int, int, tuple[int, ...]]] = {}
        self.network_start = sum(math.prod(shape) for shape in parts.values())
        self.width = 0
        for name, shape in (parts | network).items():
            length = math.prod(shape)
            self._parts[name] = (self.width, length, shape)
            self.width += length
        self._config = config

    def views(self, rows: Tensor) -> State:
        """The parts of `rows` (slots, width), without copying."""
        return {
            name: rows[:, start : start + length].view(-1, *shape)
            for name, (start, length, shape) in self._parts.items()
        }

    def fresh(self) -> Tensor:
        """Memory of a slot that has heard nothing, (width,)."""
        row = torch.zeros(1, self.width)
        parts = self.views(row)
        parts["band_mean"][0] = torch.from_numpy(np.linspace(-60.0, -90.0, self._config.bands, dtype=np.float32))
        parts["bin_norm"][0] = first_norms(self._config.filter_bins)
        parts["loudness"][0, [AGE, YOUTH]] = 1.0
        return row[0]
