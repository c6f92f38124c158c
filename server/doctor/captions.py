"""The models of captions: which hear on this machine, how, and whether their files are what they should be."""

from __future__ import annotations

import hashlib
from pathlib import Path

from server.config import Settings
from server.doctor.findings import Finding, look, ok
from server.errors import ModelCorrupt
from server.inference.captioning.choice import Hardware, worker_config
from server.inference.captioning.finding import Found, find
from server.inference.known_models import EMBEDDING, MODELS, SEGMENTATION
from server.inference.models import damaged

LATER = " It is also fetched at the next start."


def recogniser(settings: Settings) -> Finding:
    """Whether the Whisper model is there and whole, and how it will run. Reads it once."""
    name = "captions"
    if not settings.captions:
        return ok(name, "Off by CLEARCAST_CAPTIONS.")
    hardware = Hardware.here()
    found = find(settings, hardware)
    if found.folder is None:
        if found.name not in MODELS:
            return look(name, f"There is no Whisper model {found.name}.", "Correct CLEARCAST_CAPTIONS_MODEL.")
        remedy = f"`clearcast models pull {found.name}` fetches it ({MODELS[found.name].size // 1_000_000} MB)."
        what = f"The Whisper model {found.name} is not installed: captions are off."
        return look(name, what, remedy + (LATER if settings.models_download else ""))
    try:
        config = worker_config(settings, found.name, found.folder, hardware, None)
    except ModelCorrupt as error:
        return look(name, error.message, "Correct that file, or take it away.")
    options = config.recogniser_options()
    digest = _digest(found.folder / "model.bin")
    data = {"folder": str(found.folder), "sha256": {"model.bin": digest}, "device": options.device}
    broken = damaged(found.folder, MODELS.get(found.name))
    if broken:
        remedy = f"`clearcast models pull --again {found.name}` fetches it anew."
        return look(name, f"{found.name} at {found.folder} has changed: {', '.join(broken)}.", remedy, **data)
    kept = "as it was fetched" if broken is not None else "no checksums lie beside it"
    how = f"on {options.device}, {options.compute_type}, {options.threads} threads"
    what = f"{Path(found.name).name} at {found.folder}, {how} ({kept}; SHA-256 of model.bin {digest[:12]}…)."
    return ok(name, what, **data)


def diarizer(settings: Settings) -> Finding:
    """Whether the two models that say who speaks are there and whole."""
    name = "speakers"
    if not settings.captions or not settings.diarization:
        return ok(name, "Off by CLEARCAST_DIARIZATION or CLEARCAST_CAPTIONS.")
    found = find(settings, Hardware.here())
    missing = [spec.name for spec in found.missing if spec in (SEGMENTATION, EMBEDDING)]
    if missing:
        what = f"Captions will not say who speaks: not installed {'is' if len(missing) == 1 else 'are'} "
        remedy = f"`clearcast models pull {' '.join(missing)}` fetches {'it' if len(missing) == 1 else 'them'}."
        return look(name, what + " and ".join(missing) + ".", remedy + (LATER if settings.models_download else ""))
    files = [Path(file) for file in _files(found)]
    gone = [str(file) for file in files if file.suffix == ".onnx" and not file.is_file()]
    if gone:
        return look(name, f"There is no file {gone[0]}.", "Correct CLEARCAST_DIARIZATION_SEGMENTATION or …_EMBEDDING.")
    for file in files:
        spec = MODELS.get(file.parent.name)
        if broken := damaged(file.parent, spec) if spec is not None else None:
            remedy = f"`clearcast models pull --again {file.parent.name}` fetches it anew."
            return look(name, f"{file.parent} has changed: {', '.join(broken)}.", remedy)
    sums = {str(file): _digest(file) for file in files if file.is_file()}
    shown = " and ".join(f"{file} ({sums[str(file)][:12]}…)" if str(file) in sums else str(file) for file in files)
    return ok(name, f"{shown}.", sha256=sums)


def _files(found: Found) -> list[str]:
    return [file for file in (found.segmentation, found.embedding) if file is not None]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
