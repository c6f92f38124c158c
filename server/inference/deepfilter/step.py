"""One hop of any number of streams, from samples to samples."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from server.inference.deepfilter.config import ModelConfig
from server.inference.deepfilter.levelling import Levelling
from server.inference.deepfilter.network import Network
from server.inference.deepfilter.spectrum import Transform
from server.inference.deepfilter.state import Layout, State

_TINY = 1e-12


class Step(nn.Module):
    """Works on rows of slots' memory (batch, width), which move on in place."""

    def __init__(self, config: ModelConfig, network: Network, levelling: Levelling | None) -> None:
        super().__init__()
        self.config = config
        self.network = network
        self.transform = Transform(config, levelling)
        self.layout = Layout(config, network.channels, network.size, sum(network.split), 2 * config.order)

    def forward(self, rows: Tensor, hops: Tensor | None, sharpness: Tensor | None, starting: Tensor | None) -> Tensor:
        """Hops (batch, 480), or None for zero features after the end → clean hops (batch, 480).

        `sharpness` (batch,) is the post-filter's β, 0 for none. `starting` are the rows whose first frames these are.
        """
        config, transform, state = self.config, self.transform, self.layout.views(rows)
        if hops is None:
            batch = rows.shape[0]
            spectra = rows.new_zeros(batch, config.bins, 2)
            levels, bins = rows.new_zeros(batch, config.bands), rows.new_zeros(batch, config.filter_bins, 2)
        else:
            spectra = transform.analyse(hops, state)
            levels, bins = transform.features(spectra, state)
        gains, coefficients = self.network(
            _pushed(state["band_input"], levels.unsqueeze(2)), _pushed(state["bin_input"], bins), state
        )
        if starting is not None:
            # The network never sees the first frames: its first answer belongs to frame 0, `lookahead` frames late.
            gains[starting] = 0.0
            coefficients[starting] = 0.0
            rows[starting, self.layout.network_start :] = 0.0
        mix = self._filter_masked if config.filters_masked else self._filter_noisy
        return transform.synthesise(mix(spectra, gains, coefficients, state, sharpness), state)

    def _filter_noisy(
        self, spectra: Tensor, gains: Tensor, coefficients: Tensor, state: State, sharpness: Tensor | None
    ) -> Tensor:
        """DeepFilterNet 3: gains for the upper bins; the lower ones are filtered from the noisy spectra."""
        low = self.config.filter_bins
        noisy = state["waiting"][:, 0]
        clean = noisy * self.transform.spread(gains)
        clean[:, :low] = _filtered(state["low"], spectra[:, :low], coefficients)
        if sharpness is not None:
            kept = (_size(clean) / (_size(noisy) + _TINY)).clamp_(_TINY, 1.0)
            clean = clean * post_filter(kept, sharpness).unsqueeze(2)
        _push(state["waiting"], spectra)
        return clean

    def _filter_masked(
        self, spectra: Tensor, gains: Tensor, coefficients: Tensor, state: State, sharpness: Tensor | None
    ) -> Tensor:
        """DeepFilterNet 2: gains for all bins, then the lower ones are filtered, waiting for as many frames again."""
        low = self.config.filter_bins
        spread = self.transform.spread(gains)
        if sharpness is not None:
            spread = spread * post_filter(spread.squeeze(2), sharpness).unsqueeze(2)
        masked = state["waiting"][:, 0] * spread
        clean = state["masked"][:, 0].clone()
        clean[:, :low] = _filtered(state["low"], masked[:, :low], state["coefficients"][:, 0])
        _push(state["waiting"], spectra)
        _push(state["masked"], masked)
        _push(state["coefficients"], coefficients)
        return clean


def post_filter(kept: Tensor, sharpness: Tensor) -> Tensor:
    """Shares of the noisy spectrum that were kept (batch, bins) → factors that attenuate the small ones further.

    J.-M. Valin et al., "A Perceptually-Motivated Approach for Low-Complexity, Real-Time Enhancement of Fullband
    Speech" (2020); β = 0 changes nothing.
    """
    beta = sharpness.unsqueeze(1)
    sines = torch.sin(kept * (0.5 * math.pi)).clamp_min_(_TINY)
    return (1.0 + beta) / (1.0 + beta / sines.square())


def _size(spectra: Tensor) -> Tensor:
    squares = spectra.square()
    return (squares[:, :, 0] + squares[:, :, 1]).sqrt()


def _push(memory: Tensor, newest: Tensor) -> None:
    """Move the frames of `memory` (batch, frames, …) on by one."""
    for frame in range(memory.shape[1] - 1):
        memory[:, frame] = memory[:, frame + 1]
    memory[:, -1] = newest


def _pushed(memory: Tensor, newest: Tensor) -> Tensor:
    """The frames of `memory` and then `newest`; `memory` moves on."""
    frames = torch.cat((memory, newest.unsqueeze(1)), 1)
    memory.copy_(frames[:, 1:])
    return frames


def _filtered(memory: Tensor, newest: Tensor, coefficients: Tensor) -> Tensor:
    """Complex sum over the last frames; coefficients (batch, bins, order · 2) begin with the oldest frame."""
    frames = torch.cat((memory[:, 1:], newest.unsqueeze(1)), 1)
    memory.copy_(frames)
    order = memory.shape[1]
    factors = torch.view_as_complex(coefficients.view(*coefficients.shape[:2], order, 2)).transpose(1, 2)
    return torch.view_as_real((torch.view_as_complex(frames) * factors).sum(1))
