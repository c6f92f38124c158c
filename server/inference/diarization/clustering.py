"""The speakers of one stream: diart's online clustering within a limit, and labels that last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from server.inference.caption_lane import VoicePrints
from server.inference.diarization.hints import MOST_SPEAKERS, SpeakerHints
from server.inference.diarization.thresholds import Thresholds

if TYPE_CHECKING:
    from diart.blocks.clustering import OnlineSpeakerClustering

Floats = NDArray[np.float32]

_WINDOWS_A_SECOND = 2
"""How often the embedding of who talks is added to the speaker's centroid."""


class StreamSpeakers:
    """Local speakers of windows to labels S1, S2, … in the order in which they are first told of."""

    def __init__(
        self, model: str, thresholds: Thresholds, hints: SpeakerHints, known: VoicePrints | None = None
    ) -> None:
        """`known` are the speakers from before. Centroids of another model are left aside, their labels stay taken."""
        self.model = model
        self.thresholds = thresholds
        self._hints = hints
        self._labels: dict[int, str] = {}
        self._seconds: dict[str, float] = {}
        self._taken = 0
        self._clustering = _clustering(thresholds, hints)
        if known is not None:
            self._taken = max((_number(label) for label in known.centroids), default=0)
            if known.model == model:
                self._go_on(known)

    @property
    def alone(self) -> bool:
        """Whether only one speaker is expected, so that nobody has to be told from anybody."""
        return self._hints.most == 1

    @property
    def named(self) -> int:
        """How many speakers were told of."""
        return len(self._labels)

    @property
    def count(self) -> int:
        """Columns of `assign`."""
        return self._hints.most

    def assign(self, probabilities: Floats, embeddings: Floats) -> Floats:
        """Probabilities (frames, local speakers) by speaker of the stream, shape (frames, count).

        `embeddings` (local speakers, dimensions) have no numbers for who does not talk in the window.
        """
        if self.alone:
            together: Floats = probabilities.max(axis=1, keepdims=True)
            return together
        if np.isnan(embeddings).any(axis=1).all():
            return np.zeros((len(probabilities), self.count), np.float32)
        if self._clustering.centers is None:
            # Left to itself diart makes a centre, even beyond its limit, of whoever is heard in the first window,
            # and half a second is too little to know a voice by.
            self._clustering.init_centers(embeddings.shape[1])
        self._clustering.delta_new = self._far_enough()
        segmentation, vectors = _for_diart(probabilities, embeddings)
        assigned: Floats = self._clustering(segmentation, vectors).data.astype(np.float32)
        return assigned

    def _far_enough(self) -> float:
        """How far from everybody known somebody new is.

        While there are fewer than somebody has said, no further than two speakers of a whole recording are.
        """
        few = self._clustering.num_known_speakers < self._hints.fewest
        return min(self.thresholds.new, self.thresholds.same) if few else self.thresholds.new

    def label(self, speaker: int) -> str:
        """What the speaker is called, from now on."""
        if speaker not in self._labels:
            self._taken += 1
            self._labels[speaker] = f"S{self._taken}"
        return self._labels[speaker]

    def spoke(self, label: str, seconds: float) -> None:
        self._seconds[label] = self._seconds.get(label, 0.0) + seconds

    def prints(self) -> VoicePrints:
        """What everybody told of sounds like: unit vectors by label."""
        centroids: dict[str, NDArray[Any]] = {}
        for speaker, label in self._labels.items():
            centers = self._clustering.centers
            centre = np.zeros(1) if centers is None else centers[speaker]
            length = float(np.linalg.norm(centre))
            centroids[label] = (centre / length if length > 0 else centre).astype(np.float32)
        return VoicePrints(self.model, centroids, {label: self._seconds.get(label, 0.0) for label in centroids})

    def _go_on(self, known: VoicePrints) -> None:
        usable: Mapping[str, NDArray[Any]] = {
            label: centroid for label, centroid in known.centroids.items() if np.linalg.norm(centroid) > 0
        }
        if self._hints.most == 1:
            self._labels = dict.fromkeys([0], next(iter(known.centroids), "S1"))
        elif usable:
            heard = sorted(usable, key=lambda label: -known.seconds.get(label, 0.0))[: self._hints.most]
            self._clustering.init_centers(len(usable[heard[0]]))
            for label in heard:
                weight = max(1.0, _WINDOWS_A_SECOND * known.seconds.get(label, 0.0))
                self._labels[self._clustering.add_center(weight * usable[label])] = label
        self._seconds = {label: known.seconds.get(label, 0.0) for label in self._labels.values()}


def _clustering(thresholds: Thresholds, hints: SpeakerHints) -> OnlineSpeakerClustering:
    from diart.blocks.clustering import OnlineSpeakerClustering

    return OnlineSpeakerClustering(
        thresholds.active, thresholds.update, thresholds.new, "cosine", min(hints.most, MOST_SPEAKERS)
    )


def _for_diart(probabilities: Floats, embeddings: Floats) -> tuple[Any, Any]:
    import torch
    from pyannote.core import SlidingWindow, SlidingWindowFeature

    return SlidingWindowFeature(probabilities, SlidingWindow()), torch.from_numpy(embeddings)


def _number(label: str) -> int:
    digits = label.removeprefix("S")
    return int(digits) if digits.isdigit() else 0
