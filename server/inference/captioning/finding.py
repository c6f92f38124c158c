"""Where the models of captions lie, and which of them are missing."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from server.config import Settings
from server.inference.captioning.choice import Hardware, model_name
from server.inference.known_models import EMBEDDING, MODELS, SEGMENTATION, WHISPER, ModelSpec
from server.inference.models import find_model

NEEDED = ("model.bin", "config.json", "tokenizer.json")
"""Files without which no folder is a Whisper model for CTranslate2."""

TEST_PAIR = "diarization"
"""A folder of two files, `segmentation.onnx` and `embedding.onnx`: models that were put there by hand."""


@dataclass(frozen=True, slots=True)
class Found:
    """`name` and `folder` of the recogniser; files of the diarizer, or pyannote's names of them."""

    name: str
    folder: Path | None
    segmentation: str | None = None
    embedding: str | None = None
    missing: tuple[ModelSpec, ...] = field(default=())
    """What can be fetched."""


def find(settings: Settings, hardware: Hardware) -> Found:
    """What there is. Reads the disk."""
    name = model_name(settings, hardware)
    folder = _recogniser(name, settings)
    if folder is None and settings.captions_model == "auto":
        # A server that may fetch nothing takes what it has.
        others = [(spec.name, _recogniser(spec.name, settings)) for spec in reversed(WHISPER)]
        name, folder = next(((other, place) for other, place in others if place is not None), (name, None))
    missing = [MODELS[name]] if folder is None and name in MODELS else []
    segmentation = embedding = None
    if settings.diarization:
        segmentation = _chosen(settings.diarization_segmentation, SEGMENTATION, "segmentation.onnx", settings)
        embedding = _chosen(settings.diarization_embedding, EMBEDDING, "embedding.onnx", settings)
        missing += [SEGMENTATION] if segmentation is None else []
        missing += [EMBEDDING] if embedding is None else []
    return Found(name, folder, segmentation, embedding, tuple(missing))


def _recogniser(name: str, settings: Settings) -> Path | None:
    places = [Path(name)] if "/" in name else []
    places += [folder / name for folder in (settings.models_dir, settings.cache_dir) if folder is not None]
    return next((place for place in places if all((place / file).is_file() for file in NEEDED)), None)


def _chosen(setting: str, spec: ModelSpec, test_file: str, settings: Settings) -> str | None:
    if setting != "auto":
        return setting
    if settings.models_dir is not None and (place := settings.models_dir / TEST_PAIR / test_file).is_file():
        return str(place.absolute())
    folder = find_model(spec.name, settings)
    return None if folder is None else str((folder / spec.files[0]).absolute())
