"""The models that Clearcast knows how to fetch, none of which needs an account. Data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

HUB = "https://huggingface.co/{repository}/resolve/main/{file}"
SHERPA = "https://github.com/k2-fsa/sherpa-onnx/releases/download"
MB = 1_000_000


@dataclass(frozen=True, slots=True)
class LooseFile:
    """A file that is published by itself."""

    name: str
    urls: tuple[str, ...]
    sha256: str | None = None
    optional: bool = False
    """Some models of the kind have none."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model that can be fetched without an account: an archive, or files one by one."""

    name: str
    purpose: str
    files: tuple[str, ...]
    """Patterns within the model's folder that must each match a file."""
    licence: str
    size: int
    """About how many bytes are downloaded."""
    urls: tuple[str, ...] = ()
    """Addresses of an archive, the first that works is taken."""
    archive: str = ".zip"
    root: str | None = None
    """The folder in the archive, where it is not named after the model."""
    sha256: str | None = None
    """Of the archive, where its publisher's is known."""
    loose: tuple[LooseFile, ...] = ()
    published: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of files in the folder, where they are known."""
    max_size: int = 256 * 1024 * 1024
    """More than this, packed or unpacked, is not taken."""


def _deepfilter(name: str) -> ModelSpec:
    return ModelSpec(
        name=name,
        purpose="takes the noise out",
        urls=(f"https://github.com/Rikorose/DeepFilterNet/raw/main/models/{name}.zip",),
        files=("config.ini", "checkpoints/*.ckpt*"),
        licence="MIT or Apache-2.0",
        size=8 * MB,
    )


def _whisper(name: str, repository: str, size: int) -> ModelSpec:
    """Whisper for CTranslate2: newer ones say in a file of their own how many mel bins they take."""

    def file(path: str, optional: bool = False) -> LooseFile:
        return LooseFile(path, (HUB.format(repository=repository, file=path),), optional=optional)

    return ModelSpec(
        name=name,
        purpose="writes down what is said",
        files=("model.bin", "config.json", "tokenizer.json", "vocabulary.*"),
        licence="MIT",
        size=size,
        loose=(
            *(file("config.json"), file("tokenizer.json")),
            *(file("vocabulary.json", optional=True), file("vocabulary.txt", optional=True)),
            *(file("preprocessor_config.json", optional=True), file("model.bin")),
        ),
        max_size=2 * size,
    )


SEGMENTATION = ModelSpec(
    name="segmentation-3.0",
    purpose="tells who talks at once",
    urls=(f"{SHERPA}/speaker-segmentation-models/sherpa-onnx-pyannote-segmentation-3-0.tar.bz2",),
    archive=".tar.bz2",
    root="sherpa-onnx-pyannote-segmentation-3-0",
    sha256="24615ee884c897d9d2ba09bb4d30da6bb1b15e685065962db5b02e76e4996488",
    files=("model.onnx",),
    published={
        "model.onnx": "220ad67ca923bef2fa91f2390c786097bf305bceb5e261d4af67b38e938e1079",
        "model.int8.onnx": "d582f4b4c6b48205de7e0643c57df0df5615a3c176189be3fc461e9d18827b5d",
    },
    licence="MIT",
    size=7 * MB,
)

_CAMPPLUS = "aa3cfc16963a10586a9393f5035d6d6b57e98d358b347f80c2a30bf4f00ceba2"
EMBEDDING = ModelSpec(
    name="campplus",
    purpose="tells voices apart",
    loose=(
        LooseFile(
            "campplus.onnx",
            # The tag is really spelled so.
            (f"{SHERPA}/speaker-recongition-models/3dspeaker_speech_campplus_sv_zh_en_16k-common_advanced.onnx",),
            _CAMPPLUS,
        ),
    ),
    files=("campplus.onnx",),
    published={"campplus.onnx": _CAMPPLUS},
    licence="Apache-2.0",
    size=28 * MB,
)

WHISPER: tuple[ModelSpec, ...] = (
    _whisper("tiny", "Systran/faster-whisper-tiny", 78 * MB),
    _whisper("tiny.en", "Systran/faster-whisper-tiny.en", 78 * MB),
    _whisper("base", "Systran/faster-whisper-base", 148 * MB),
    _whisper("base.en", "Systran/faster-whisper-base.en", 148 * MB),
    _whisper("small", "Systran/faster-whisper-small", 486 * MB),
    _whisper("small.en", "Systran/faster-whisper-small.en", 486 * MB),
    _whisper("medium", "Systran/faster-whisper-medium", 1530 * MB),
    _whisper("medium.en", "Systran/faster-whisper-medium.en", 1530 * MB),
    _whisper("large-v3", "Systran/faster-whisper-large-v3", 3090 * MB),
    _whisper("distil-large-v3", "Systran/faster-distil-whisper-large-v3", 1515 * MB),
    _whisper("large-v3-turbo", "mobiuslabsgmbh/faster-whisper-large-v3-turbo", 1620 * MB),
)

MODELS: dict[str, ModelSpec] = {
    spec.name: spec
    for spec in (_deepfilter("DeepFilterNet3"), _deepfilter("DeepFilterNet2"), *WHISPER, SEGMENTATION, EMBEDDING)
}
