"""Quiet and loud talkers, heard by the network at a level that it knows.

The network sees features only, and its answer, gains and filter coefficients, is applied to the audio as it came. So
the gain is given to what the features are made from and to nothing else: there is nothing to undo afterwards.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from server.inference.deepfilter.state import AGE, GAIN, LEVEL, YOUTH, State

_NEPER = math.log(10.0) / 20.0
_QUIETEST = 1e-12


@dataclass(frozen=True, slots=True)
class Levelling:
    """How the talk's level is followed; dB of full scale.

    Between `quietest` and `loudest` nothing is changed. The level follows louder hops by `attack` and falls slowly
    while they are quieter: over a pause it stays near that of the talk. A young stream's level moves faster, by what
    it has heard so far. Digital silence says nothing.
    """

    first: float = -35.0
    quietest: float = -40.0
    loudest: float = -30.0
    highest_gain: float = 40.0
    attack: float = 0.03
    """Share of the difference by which a louder hop raises the level."""
    release: float = 0.02
    """Fall per quieter hop, dB."""
    young_release: float = 0.6
    """What a stream that has heard nothing yet adds to `release`, dB per hop."""
    ageing: float = 0.99
    """Share of its youth that a stream keeps per hop that is not silent."""
    silence: float = -80.0

    def factors(self, spectra: Tensor, state: State, decay: float, first_norm: Tensor) -> Tensor:
        """Spectra (batch, bins, 2) of the newest frame → factors (batch, 1, 1) for the features' spectra.

        The running norms become what they were, had this gain been there from the start: changing it is no change to
        the network. `decay` is the norms', `first_norm` where those of the bins began.
        """
        loudness = state["loudness"]
        before, age, youth = loudness[:, GAIN], loudness[:, AGE], loudness[:, YOUTH]
        level = self._moved(spectra, loudness[:, LEVEL] + self.first, youth)
        gain = (self.quietest - level.clamp_min(self.quietest - self.highest_gain)).clamp_min_(0.0)
        gain = gain + (self.loudest - level).clamp_max_(0.0)
        change = gain - before
        state["band_mean"].add_((change * (1.0 - age)).unsqueeze(1))
        begun = age.unsqueeze(1) * first_norm
        state["bin_norm"].sub_(begun).mul_(torch.exp(change * _NEPER).unsqueeze(1)).add_(begun)
        audible = youth * self.ageing
        loudness[:, YOUTH] = torch.where(self._level(spectra) > self.silence, audible, youth)
        loudness[:, LEVEL] = level - self.first
        loudness[:, GAIN] = gain
        loudness[:, AGE] = age * decay
        return torch.exp(gain * _NEPER).view(-1, 1, 1)

    @staticmethod
    def _level(spectra: Tensor) -> Tensor:
        # The window keeps half of a frame's energy, and every bin but two stands for two.
        return (spectra.square().sum((1, 2)) * 4.0).add_(_QUIETEST).log10_().mul_(10.0)

    def _moved(self, spectra: Tensor, level: Tensor, youth: Tensor) -> Tensor:
        now = self._level(spectra)
        share = (1.0 - youth * self.ageing).reciprocal_().mul_(1.0 - self.ageing).clamp_min_(self.attack)
        fall = (youth * self.young_release).add_(self.release).mul_((now > self.silence).to(now.dtype))
        above = now - level
        return level + torch.where(above > 0, above * share, torch.maximum(above, -fall))
