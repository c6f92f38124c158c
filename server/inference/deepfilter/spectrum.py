"""From samples to spectra and features, and back.

Spectra are real tensors (batch, bins, 2) of real and imaginary parts.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from server.inference.deepfilter.bands import band_matrix, band_widths
from server.inference.deepfilter.config import ModelConfig
from server.inference.deepfilter.levelling import Levelling
from server.inference.deepfilter.state import State, first_norms

_QUIETEST_NORM = 1e-20
"""In long digital silence the norm would decay to zero, and dividing by it would break the stream for good."""

_QUIETEST_POWER = 1e-10
_DECIBEL_SCALE = 40.0


class Transform(nn.Module):
    """Short-time Fourier transform with half-overlapping Vorbis windows, and the network's features."""

    first_norm: Tensor
    window: Tensor
    analysis_window: Tensor
    band_average: Tensor
    band_spread: Tensor

    def __init__(self, config: ModelConfig, levelling: Levelling | None = None) -> None:
        super().__init__()
        self.config = config
        self.levelling = levelling
        half = np.sin(0.5 * math.pi * (np.arange(config.fft_size) + 0.5) / config.hop)
        window = torch.from_numpy(np.sin(0.5 * math.pi * half * half).astype(np.float32))
        widths = band_widths(48_000, config.fft_size, config.bands, config.minimum_band_bins)
        membership = torch.from_numpy(band_matrix(widths))
        self.register_buffer("first_norm", first_norms(config.filter_bins), persistent=False)
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("analysis_window", window / config.fft_size, persistent=False)
        self.register_buffer("band_average", membership / membership.sum(0), persistent=False)
        self.register_buffer("band_spread", membership.t().contiguous(), persistent=False)

    def analyse(self, hops: Tensor, state: State) -> Tensor:
        """(batch, 480) → spectra of the last 960 samples."""
        memory = state["analysis"]
        frames = torch.cat((memory, hops), 1).mul_(self.analysis_window)
        memory.copy_(hops)
        return torch.view_as_real(torch.fft.rfft(frames))

    def features(self, spectra: Tensor, state: State) -> tuple[Tensor, Tensor]:
        """→ levels of the bands (batch, bands), normalised lowest bins (batch, bins, 2). The running norms move on."""
        new = 1.0 - self.config.decay
        if self.levelling is not None:
            spectra = spectra * self.levelling.factors(spectra, state, self.config.decay, self.first_norm)
        squares = spectra.square()
        power = squares[:, :, 0] + squares[:, :, 1]
        levels = (power @ self.band_average).add_(_QUIETEST_POWER).log10_().mul_(10.0)
        mean, norm = state["band_mean"], state["bin_norm"]
        mean.lerp_(levels, new)
        low = self.config.filter_bins
        norm.lerp_(power[:, :low].sqrt(), new).clamp_min_(_QUIETEST_NORM)
        bins = spectra[:, :low] * norm.rsqrt().unsqueeze(2)
        return levels.sub_(mean).div_(_DECIBEL_SCALE), bins

    def spread(self, gains: Tensor) -> Tensor:
        """Gains of bands (batch, bands) → of bins (batch, bins, 1)."""
        return (gains @ self.band_spread).unsqueeze(2)

    def synthesise(self, spectra: Tensor, state: State) -> Tensor:
        """Spectra, which may be changed → (batch, 480), one hop behind."""
        # The lowest and the highest bin of real audio are real.
        spectra[:, :: self.config.bins - 1, 1] = 0.0
        frames = torch.fft.irfft(torch.view_as_complex(spectra), self.config.fft_size, norm="forward").mul_(self.window)
        memory = state["synthesis"]
        hop = self.config.hop
        hops: Tensor = frames[:, :hop] + memory
        memory.copy_(frames[:, hop:])
        return hops
