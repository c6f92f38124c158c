"""Who of up to three local speakers talks, in each frame of a window: segmentation models of every kind, used alike."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from server.errors import ModelCorrupt
from server.inference.diarization.libraries import load_libraries
from server.inference.diarization.onnx import is_onnx, open_session
from server.speech.heard import HEARD_RATE

Floats = NDArray[np.float32]

_LOCAL_SPEAKERS = 3
_AT_ONCE = 2
"""Speakers of a window, and how many of them the classes of segmentation-3.0 let talk at the same time."""
_QUIET = 1e-4
"""Peak below which nobody can be heard: -80 dBFS."""


class Segmenter:
    """One segmentation model for all streams."""

    def __init__(self, run: Callable[[Floats], Floats], *, together: bool = True) -> None:
        """`run` takes windows (n, samples) and answers probabilities (n, frames, local speakers).

        `together` false: each window alone, because what a model says of one would depend on the others.
        """
        self._run = run
        self._together = together
        self._frames: dict[int, tuple[int, int]] = {}

    @classmethod
    def load(cls, name: str, device: str = "cpu") -> Segmenter:
        """An ONNX file, or a pyannote checkpoint or hub name. Raises `ModelMissing` or `ModelCorrupt`."""
        return _from_onnx(Path(name), device) if is_onnx(name) else _from_checkpoint(name, device)

    def segment(self, windows: Sequence[Floats]) -> list[Floats]:
        """Probabilities (frames, local speakers) for each window (samples,) at 16 kHz, all of one length.

        Silence is answered without asking the model.
        """
        loud = [index for index, window in enumerate(windows) if np.abs(window).max(initial=0.0) >= _QUIET]
        answers = [np.zeros(self.shape(len(window)), np.float32) for window in windows]
        pieces = [loud] if self._together and loud else [[index] for index in loud]
        for piece in pieces:
            for index, answer in zip(piece, self._run(np.stack([windows[index] for index in piece])), strict=True):
                answers[index] = answer
        return answers

    def segment_together(self, windows: Sequence[Floats]) -> list[Floats]:
        """The same in one batch, whatever that does to what the model says of each."""
        return list(self._run(np.stack(windows)))

    def shape(self, samples: int) -> tuple[int, int]:
        """(frames, local speakers) for a window of so many samples."""
        if samples not in self._frames:
            answer = self._run(np.zeros((1, samples), np.float32))
            self._frames[samples] = (answer.shape[1], answer.shape[2])
        return self._frames[samples]


def powerset(speakers: int, at_once: int) -> Floats:
    """Which of `speakers` talk in each class, shape (classes, speakers): nobody, each alone, each two, ….

    Plaquet and Bredin, "Powerset multi-class cross entropy loss for neural speaker diarization" (2023).
    """
    rows = []
    for count in range(at_once + 1):
        for talking in itertools.combinations(range(speakers), count):
            rows.append([float(speaker in talking) for speaker in range(speakers)])
    return np.array(rows, np.float32)


def _from_onnx(path: Path, device: str) -> Segmenter:
    session = open_session(path, device)
    inputs, outputs = session.get_inputs(), session.get_outputs()
    # A file that fixes its length to less than a second takes something else, such as filter banks.
    short = len(inputs[0].shape) == 3 and isinstance(inputs[0].shape[2], int) and inputs[0].shape[2] < HEARD_RATE
    if len(inputs) != 1 or len(inputs[0].shape) != 3 or short:
        raise ModelCorrupt(f"{path} is not a segmentation model: it does not take (windows, 1, samples).")
    about = session.get_modelmeta().custom_metadata_map
    classes = powerset(
        int(about.get("num_speakers", _LOCAL_SPEAKERS)), int(about.get("powerset_max_classes", _AT_ONCE))
    )
    source, target = inputs[0].name, outputs[0].name

    def raw(windows: Floats) -> Floats:
        answer: Floats = session.run([target], {source: windows[:, None]})[0]
        return answer

    width = raw(np.zeros((1, 5 * HEARD_RATE), np.float32)).shape[-1]
    run: Callable[[Floats], Floats]
    if width == len(classes):

        def run(windows: Floats) -> Floats:
            probabilities: Floats = np.exp(raw(windows)) @ classes
            return probabilities
    elif width <= classes.shape[1]:
        run = raw
    else:
        raise ModelCorrupt(f"{path} answers {width} classes, which is neither speakers nor sets of speakers.")
    # Quantised while it runs: one scale for all windows of a batch.
    return Segmenter(run, together="quant" not in about.get("onnx.infer", ""))


def _from_checkpoint(name: str, device: str) -> Segmenter:
    load_libraries()
    import torch
    from diart.models import SegmentationModel

    model: Any = SegmentationModel.from_pyannote(name, use_hf_token=False)
    model.to(torch.device(device))
    model.eval()

    def run(windows: Floats) -> Floats:
        with torch.inference_mode():
            answer: Floats = model(torch.from_numpy(windows[:, None]).to(device)).cpu().numpy()
        return answer

    return Segmenter(run)
