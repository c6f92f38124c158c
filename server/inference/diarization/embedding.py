"""What a local speaker of a window sounds like: embedding models of three kinds, used alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from server.errors import ModelCorrupt
from server.inference.diarization.libraries import load_libraries
from server.inference.diarization.onnx import checksum, is_onnx, open_session
from server.inference.diarization.thresholds import KNOWN, OTHERS, Thresholds
from server.speech.heard import HEARD_RATE

Floats = NDArray[np.float32]
Run = Callable[[Floats, Floats], Floats]

WINDOW = 5 * HEARD_RATE
"""Samples (16 kHz) that an embedding is made from."""
_MEL_BINS = 80
_ALONE = 0.3
_AUDIBLE = 0.01
"""Weight of frames in which somebody talks alone, or at all (see `weights_of`)."""
_FEWEST = 20
"""Frames of 10 ms that filter banks are worth embedding from."""


class Embedder:
    """One embedding model for all streams. `identity` is its name and the checksum of its file."""

    def __init__(self, identity: str, thresholds: Thresholds, run: Run) -> None:
        """`run` takes audio (n, WINDOW) and weights (n, frames) and answers (n, dimensions)."""
        self.identity = identity
        self.thresholds = thresholds
        self._run = run

    @classmethod
    def load(cls, name: str, device: str = "cpu") -> Embedder:
        """An ONNX file, or a pyannote or speechbrain checkpoint or hub name.

        Raises `ModelMissing` or `ModelCorrupt`.
        """
        path = Path(name)
        if not is_onnx(name):
            digest = checksum(path) if path.is_file() else ""
            return cls(f"{path.name}-{digest}".rstrip("-"), KNOWN.get(digest, OTHERS), _from_checkpoint(name, device))
        digest = checksum(path)
        return cls(f"{path.stem}-{digest}", KNOWN.get(digest, OTHERS), _from_onnx(path, device))

    def embed(self, windows: Sequence[Floats], weights: Sequence[Floats]) -> Floats:
        """Unit vectors (n, dimensions) of audio (WINDOW,) with weights (frames,); NaN where too little is heard."""
        if not windows:
            return np.zeros((0, 0), np.float32)
        found = self._run(np.stack(windows), np.stack(weights))
        lengths = np.linalg.norm(found, axis=1, keepdims=True)
        return np.divide(found, lengths, out=np.full_like(found, np.nan), where=lengths > 0)


def weights_of(probabilities: Floats, gamma: float = 3, beta: float = 10) -> Floats:
    """How much each frame tells of each local speaker, same shape: less where unsure, least where others talk too.

    Equation 2 of Coria et al. (2021); diart's `OverlappedSpeechPenalty`.
    """
    scaled = np.exp(beta * (probabilities - probabilities.max(axis=-1, keepdims=True)))
    share = scaled / scaled.sum(axis=-1, keepdims=True)
    weights: Floats = np.maximum(probabilities**gamma * share**gamma, 1e-8).astype(np.float32)
    return weights


def _from_onnx(path: Path, device: str) -> Run:
    session = open_session(path, device)
    inputs, target = session.get_inputs(), session.get_outputs()[0].name
    if len(inputs) == 2 and len(inputs[0].shape) == 3:
        names = [entry.name for entry in inputs]

        def weighted(windows: Floats, weights: Floats) -> Floats:
            answer: Floats = session.run([target], {names[0]: windows[:, None], names[1]: weights})[0]
            return answer

        return weighted
    if len(inputs) == 1 and len(inputs[0].shape) == 3 and inputs[0].shape[-1] == _MEL_BINS:
        return _of_filter_banks(session, inputs[0].name, target)
    raise ModelCorrupt(f"{path} is not an embedding model: it takes neither audio with weights nor filter banks.")


def _of_filter_banks(session: Any, source: str, target: str) -> Run:
    """Models such as CAM++: (1, frames, 80) Kaldi filter banks with their mean over time removed."""
    dimensions = session.run([target], {source: np.zeros((1, 100, _MEL_BINS), np.float32)})[0].shape[-1]

    def run(windows: Floats, weights: Floats) -> Floats:
        found = np.zeros((len(windows), dimensions), np.float32)
        for index, (window, weight) in enumerate(zip(windows, weights, strict=True)):
            banks = filter_banks(window)
            heard = banks[_worth(weight, len(banks))]
            if len(heard) >= _FEWEST:
                found[index] = session.run([target], {source: (heard - heard.mean(axis=0))[None]})[0][0]
        return found

    return run


def filter_banks(window: Floats) -> Floats:
    """Log energies in 80 mel bins, shape (frames, 80), a frame each 10 ms, as Kaldi computes them."""
    import torch
    from torchaudio.compliance import kaldi

    audio = torch.from_numpy(np.ascontiguousarray(window))[None]
    banks: Floats = kaldi.fbank(
        audio, num_mel_bins=_MEL_BINS, sample_frequency=HEARD_RATE, dither=0.0, snip_edges=False
    ).numpy()
    return banks


def _worth(weights: Floats, frames: int) -> NDArray[np.bool_]:
    """Which of `frames` are heard: those with one speaker alone, or with others too where there are too few."""
    spread = weights[np.arange(frames) * len(weights) // frames]
    alone: NDArray[np.bool_] = spread > _ALONE
    return alone if alone.sum() >= _FEWEST else spread > _AUDIBLE


def _from_checkpoint(name: str, device: str) -> Run:
    load_libraries()
    import torch
    from diart.models import EmbeddingModel

    model: Any = EmbeddingModel.from_pyannote(name, use_hf_token=False)
    model.to(torch.device(device))
    model.eval()

    def run(windows: Floats, weights: Floats) -> Floats:
        with torch.inference_mode():
            audio, heard = torch.from_numpy(windows[:, None]).to(device), torch.from_numpy(weights).to(device)
            answer: Floats = model(audio, heard).cpu().numpy()
        return np.nan_to_num(answer)

    return run
