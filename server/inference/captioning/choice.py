"""Which model hears on this machine, and how: settings, else what is known of its family, else what the hardware says.

A file `clearcast.toml` in a model's folder may hold the same keys as an entry of `families.toml`, for models that
nobody here knows.
"""

from __future__ import annotations

import fnmatch
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.clock import SAMPLE_RATE
from server.config import Settings
from server.errors import ModelCorrupt
from server.inference.captioning.settings import CaptionWorkerConfig

OWN_FILE = "clearcast.toml"
_FAMILIES = Path(__file__).with_name("families.toml")
_RECOGNISER = ("compute_type", "beam", "thorough_beam", "translates", "prompt_tokens")
_SECONDS = ("step", "hold_back", "trim", "window")
_GUARDS = ("compression",)
_EVIDENCE = ("no_speech", "logprob", "voiced", "voiced_share", "letters_a_second")


@dataclass(frozen=True, slots=True)
class Hardware:
    """What matters of a machine."""

    cores: int
    gpu: bool

    @classmethod
    def here(cls) -> Hardware:
        """Reads /proc and /dev; whether the GPU's driver works is seen when a model is loaded."""
        gpu = Path("/dev/nvidia0").exists() or any(Path("/proc/driver/nvidia/gpus").glob("*"))
        return cls(len(os.sched_getaffinity(0)), gpu)


def model_name(settings: Settings, hardware: Hardware) -> str:
    """The model that the settings name, or the one for this hardware."""
    if settings.captions_model != "auto":
        return settings.captions_model
    table = _table()["default"]
    if on_gpu(settings, hardware):
        return str(table["cuda"])
    enough = [int(cores) for cores in table["cores"] if int(cores) <= hardware.cores]
    return str(table["cores"][str(max(enough, default=1))])


def on_gpu(settings: Settings, hardware: Hardware) -> bool:
    return settings.captions_device == "cuda" or (settings.captions_device == "auto" and hardware.gpu)


def known_of(name: str, folder: Path | None) -> dict[str, Any]:
    """What is known of a model by its family and by a file in its own folder. Raises ModelCorrupt. Reads the disk."""
    known: dict[str, Any] = {}
    for family in _table()["family"]:
        if fnmatch.fnmatch(Path(name).name, family["match"]):
            known |= family
    own = folder / OWN_FILE if folder is not None else None
    if own is not None and own.is_file():
        try:
            known |= tomllib.loads(own.read_text())
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ModelCorrupt(f"{own} cannot be read: {error}") from error
    return known


def worker_config(
    settings: Settings, name: str, folder: Path, hardware: Hardware, diarizer: dict[str, Any] | None
) -> CaptionWorkerConfig:
    """What the worker is told. Raises ModelCorrupt. Reads the disk."""
    device = "cuda" if on_gpu(settings, hardware) else "cpu"
    known = {**_table()[device], **known_of(name, folder)}
    known |= {key: value for key, value in _chosen(settings).items() if value is not None}
    threads = settings.captions_threads or max(1, min(4, hardware.cores // 2))
    recogniser = {key: known[key] for key in _RECOGNISER if key in known}
    transcriber: dict[str, Any] = {key: round(known[key] * SAMPLE_RATE) for key in _SECONDS if key in known}
    if "prompt" in known:
        transcriber["prompt"] = known["prompt"]
    if settings.captions_language:
        transcriber["language"] = settings.captions_language
    guards: dict[str, Any] = {key: known[key] for key in _GUARDS if key in known}
    guards["evidence"] = {key: known[key] for key in _EVIDENCE if key in known}
    return CaptionWorkerConfig(
        recogniser_dir=str(folder.absolute()),
        recogniser=Path(name).name,
        recogniser_settings={**recogniser, "device": device, "threads": threads},
        transcriber={**transcriber, "guards": guards},
        batch=known["batch"],
        diarizer=diarizer,
        threads=threads,
        log_level=settings.log_level,
        log_format=settings.log_format,
    )


def diarizer_config(settings: Settings, segmentation: str, embedding: str) -> dict[str, Any]:
    """What the worker is told of diarization: files of its two models, or pyannote's names of them."""
    thresholds = {
        "active": settings.diarization_active,
        "update": settings.diarization_update,
        "new": settings.diarization_new,
    }
    return {
        "segmentation": segmentation,
        "embedding": embedding,
        "latency": round(2 * settings.diarization_latency_s) / 2,
        "device": "cpu" if settings.captions_device == "auto" else settings.captions_device,
        "thresholds": {name: value for name, value in thresholds.items() if value is not None},
    }


def _chosen(settings: Settings) -> dict[str, Any]:
    """What the operator has chosen, by the keys of the table."""
    compute = settings.captions_compute_type
    return {
        "compute_type": None if compute == "auto" else compute,
        "batch": settings.captions_batch,
        "beam": settings.captions_beam,
        "thorough_beam": settings.captions_beam,
        "step": None if settings.captions_step_ms is None else settings.captions_step_ms / 1000,
        "window": settings.captions_window_s,
        "prompt": settings.captions_prompt,
        "no_speech": settings.captions_no_speech,
        "logprob": settings.captions_logprob,
        "compression": settings.captions_compression,
    }


def _table() -> dict[str, Any]:
    return tomllib.loads(_FAMILIES.read_text())
