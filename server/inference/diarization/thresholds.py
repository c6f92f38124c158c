"""What belongs to an embedding model: how far apart two of its voices are. Data, tuned on recordings."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Distances are cosine distances between embeddings, 0 to 2; the rest are probabilities and shares, 0 to 1.

    The first three are those of Coria et al., "Overlap-Aware Low-Latency Online Speaker Diarization" (2021), which
    diart calls tau_active, rho_update and delta_new.
    """

    active: float
    """Speech of somebody above this probability."""
    update: float
    """Share of a window that somebody has to speak in to be a new speaker, or to change what a known one is like."""
    new: float
    """Further from every known speaker than this: a new one."""
    same: float
    """Clusters of a whole recording that are closer than this on average are one speaker."""
    voice: float
    """An enrolled voice is at most this far from who is named after it: half way between the nearest stranger and the
    farthest who has it, as `clearcast bench voices` finds them."""
    margin: float
    """So much further away every other enrolled voice has to be; far less than people are apart."""


KNOWN: dict[str, Thresholds] = {
    # Bundled for tests: a GE2E encoder, centred.
    "a6e50e0c": Thresholds(active=0.5, update=0.3, new=0.7, same=0.54, voice=0.42, margin=0.1),
    # 3D-Speaker CAM++, as published for sherpa-onnx.
    "aa3cfc16": Thresholds(active=0.5, update=0.3, new=0.6, same=0.55, voice=0.4, margin=0.1),
}
"""By the first eight digits of the model file's SHA-256."""

OTHERS = Thresholds(active=0.5, update=0.3, new=0.7, same=0.58, voice=0.4, margin=0.15)
"""For a model that nobody has tuned."""


def thresholds_of(model: str) -> Thresholds:
    """Those of the model with this id, which is stored beside centroids."""
    return KNOWN.get(model.rpartition("-")[2], OTHERS)
