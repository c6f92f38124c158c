"""The piece of audio that flows through the server."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
"""Mono audio in [-1, 1], shape (n,)."""


@dataclass(frozen=True, slots=True)
class AudioFrame:
    """Consecutive samples of one stream.

    `start` is the index of the first sample on the stream's 48 kHz timeline; `concealed` says that at least one of
    the samples was never received and was made up.
    """

    start: int
    samples: Samples
    concealed: bool = False

    @property
    def end(self) -> int:
        """Index of the first sample after the frame."""
        return self.start + len(self.samples)
