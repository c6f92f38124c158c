"""ONNX files of diarization models, opened alike: one thread, no log, damage told in words."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from server.errors import ModelCorrupt, ModelMissing


def open_session(path: Path, device: str = "cpu") -> Any:
    """An `onnxruntime.InferenceSession`. Raises `ModelMissing` or `ModelCorrupt`."""
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    if not path.is_file():
        raise ModelMissing(f"There is no model {path}.")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # its threads would spin on every core
    options.log_severity_level = 4
    providers = ["CPUExecutionProvider"]
    if device.startswith("cuda") and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        providers.insert(0, "CUDAExecutionProvider")
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=providers)
    except (state.Fail, state.InvalidProtobuf, state.InvalidGraph, state.InvalidArgument) as error:
        raise ModelCorrupt(f"The model {path} cannot be used: {error}") from error


def is_onnx(name: str) -> bool:
    return name.endswith(".onnx")


def checksum(path: Path) -> str:
    """First eight digits of the file's SHA-256. Raises `ModelMissing`."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:8]
    except OSError as error:
        raise ModelMissing(f"The model {path} cannot be read: {error.strerror or error}.") from error
