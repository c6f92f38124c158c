"""The models that the settings ask for on this machine."""

from __future__ import annotations

from server.config import Settings
from server.inference.captioning.choice import Hardware, model_name
from server.inference.known_models import EMBEDDING, MODELS, SEGMENTATION


def wanted_models(settings: Settings) -> list[str]:
    """Names of those that can be fetched. Reads /proc and /dev."""
    names: list[str] = [settings.denoise]
    if settings.captions:
        names.append(model_name(settings, Hardware.here()))
        if settings.diarization and settings.diarization_segmentation == "auto":
            names.append(SEGMENTATION.name)
        if settings.diarization and settings.diarization_embedding == "auto":
            names.append(EMBEDDING.name)
    return [name for name in names if name in MODELS]
