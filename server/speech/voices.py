"""Known voices: whether a speaker of a stream, whom clustering keeps anonymous, is somebody whose voice was saved.

Pure; works on centroids, so that nobody who was not enrolled pulls a saved voice towards themselves. A voice is taken
for known by three conditions: near enough to it, clearly further from every other enrolled voice, and both more than
once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST_HEARD = 3.0
"""Seconds of a speaker before anybody asks who it is: a centroid of less is anybody's."""
LOOKS = 2
"""Looks in a row that must say the same before a name is given or taken away."""


@dataclass(frozen=True, slots=True, eq=False)
class EnrolledVoice:
    """A saved voice: `centroid`, shape (dimensions,), is of the embedding model `model`; others cannot be compared."""

    id: str
    model: str
    centroid: NDArray[Any]


@dataclass(frozen=True, slots=True)
class VoiceLimits:
    """Cosine distances, 0 to 2; they belong to an embedding model."""

    nearest: float
    """A voice is at most this far from who is named after it."""
    margin: float
    """So much further away every other enrolled voice has to be; and a name stays until the voice is that much too
    far."""


class VoiceBook:
    """Recognises the speakers of one stream, look by look."""

    def __init__(self, voices: Iterable[EnrolledVoice] = ()) -> None:
        self._voices = {voice.id: voice for voice in voices}
        self._looks: dict[str, tuple[str | None, int]] = {}

    def know(self, voices: Iterable[EnrolledVoice]) -> None:
        """These are the voices from now on."""
        self._voices = {voice.id: voice for voice in voices}
        self._looks.clear()

    def look(
        self,
        model: str,
        centroids: Mapping[str, NDArray[Any]],
        seconds: Mapping[str, float],
        limits: VoiceLimits,
        named: Mapping[str, str],
    ) -> dict[str, str | None]:
        """Whose name is to change: the voice's id by label, None where the speaker is no known voice after all.

        `centroids` and `seconds` are what the speakers sound like so far and how much of each was heard; `named` says
        which labels have the name of which voice now.
        """
        distances = {
            label: self._distances(model, centroid)
            for label, centroid in centroids.items()
            if seconds.get(label, 0.0) >= LEAST_HEARD
        }
        changes: dict[str, str | None] = {}
        taken: set[str] = set()
        for label in sorted(distances, key=lambda label: min(distances[label].values(), default=2.0)):
            held = named.get(label)
            voice = _nearest(distances[label], limits, held)
            if voice in taken:  # it can be one speaker's only, and somebody else is nearer
                voice = None
            if voice is not None:
                taken.add(voice)
            if self._sure(label, voice) and voice != held:
                changes[label] = voice
        return changes

    def _distances(self, model: str, centroid: NDArray[Any]) -> dict[str, float]:
        return {
            voice.id: distance(centroid, voice.centroid)
            for voice in self._voices.values()
            if voice.model == model and voice.centroid.shape == np.shape(centroid)
        }

    def _sure(self, label: str, voice: str | None) -> bool:
        said, count = self._looks.get(label, (voice, 0))
        self._looks[label] = (voice, count + 1 if said == voice else 1)
        return self._looks[label][1] >= LOOKS


def distance(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Cosine distance, 0 to 2; 2 where one of them is no direction at all."""
    lengths = float(np.linalg.norm(one)) * float(np.linalg.norm(other))
    return 1.0 - float(np.dot(one, other)) / lengths if lengths > 0 and np.isfinite(lengths) else 2.0


def _nearest(distances: Mapping[str, float], limits: VoiceLimits, held: str | None) -> str | None:
    """The voice that a speaker has; who has its name already keeps it a little longer."""
    ranked = sorted(distances, key=lambda voice: distances[voice])
    if ranked and ranked[0] == held and distances[held] <= limits.nearest + limits.margin:
        return held
    if not ranked or distances[ranked[0]] > limits.nearest:
        return None
    if len(ranked) > 1 and distances[ranked[1]] - distances[ranked[0]] < limits.margin:
        return None
    return ranked[0]
