"""Silero VAD as `server.speech.vad` asks for it; the model lies in the faster-whisper package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from server.errors import ModelCorrupt
from server.speech.processor import Request

Floats = NDArray[np.float32]


class SileroVad:
    """One model for all streams: their memories come and go with the requests."""

    def __init__(self, path: Path | None = None) -> None:
        """Load the ONNX model, that of faster-whisper where `path` is None. Raises `ModelCorrupt`."""
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as state

        if path is None:
            from faster_whisper.utils import get_assets_path

            path = next(iter(sorted(Path(get_assets_path()).glob("silero_vad*.onnx"))), None)
            if path is None:
                raise ModelCorrupt("faster-whisper is installed without its voice detector.")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # its threads would spin on every core
        options.log_severity_level = 4
        try:
            self._session: Any = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except (state.Fail, state.InvalidProtobuf, state.InvalidGraph, state.NoSuchFile) as error:
            raise ModelCorrupt(f"The voice detector {path} cannot be used: {error}") from error

    def answer(self, request: Request) -> tuple[Floats, Floats, Floats]:
        """Probabilities (n,) and both memories (1, 1, 128) for frames (n, 576)."""
        frames, hidden, cell = request.arrays
        probabilities, hidden, cell = self._session.run(None, {"input": frames, "h": hidden, "c": cell})
        return probabilities.reshape(-1), hidden, cell
