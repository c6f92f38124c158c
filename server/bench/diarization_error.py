"""How wrong it is who is said to speak: the diarization error rate, and diart's own pipeline to compare with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from server.audio.frame import Samples
from server.clock import SAMPLE_RATE
from server.inference.caption_lane import TurnRevision, Turns
from server.inference.diarization.diarizer import Diarizer
from server.inference.diarization.embedding import Embedder
from server.inference.diarization.live import STEP_S, WINDOW_S
from server.inference.diarization.segmentation import Segmenter
from server.speech import phrases
from server.speech.heard import HEARD_RATE
from server.speech.processor import SpeakerTurn

_GAP_S = 0.05
"""Shorter gaps between two turns of a speaker are closed."""


@dataclass(frozen=True, slots=True)
class DiarizationError:
    """Shares of the reference speech. `rate` is the sum of the other three; None where the reference is silent."""

    rate: float | None
    missed: float
    invented: float
    confused: float
    speakers: int
    """Found; `reference` were there."""
    reference: int


def read_rttm(path: Path) -> list[SpeakerTurn]:
    """The turns of an RTTM file, in 48 kHz samples."""
    turns = []
    for line in path.read_text().splitlines():
        fields = line.split()
        if fields and fields[0] == "SPEAKER":
            start, length = float(fields[3]), float(fields[4])
            turns.append(SpeakerTurn(round(start * SAMPLE_RATE), round((start + length) * SAMPLE_RATE), fields[7], 1.0))
    return turns


def score(reference: Path | Sequence[SpeakerTurn], turns: Iterable[SpeakerTurn], duration: int) -> DiarizationError:
    """The diarization error of `turns` over the first `duration` samples (48 kHz).

    No collar, overlap counts, speakers are mapped as well as they can be (pyannote.metrics).
    """
    from pyannote.core import Segment, Timeline
    from pyannote.metrics.diarization import DiarizationErrorRate

    told = _annotation(read_rttm(reference) if isinstance(reference, Path) else reference)
    found = _annotation(turns).support(_GAP_S)
    whole = Timeline([Segment(0, duration / SAMPLE_RATE)])
    parts = DiarizationErrorRate(collar=0.0, skip_overlap=False)(told, found, uem=whole, detailed=True)
    total = parts["total"]
    return DiarizationError(
        rate=parts["diarization error rate"] if total else None,
        missed=parts["missed detection"] / max(total, 1e-9),
        invented=parts["false alarm"] / max(total, 1e-9),
        confused=parts["confusion"] / max(total, 1e-9),
        speakers=len(found.labels()),
        reference=len(told.labels()),
    )


def first_told(items: Iterable[Any]) -> list[SpeakerTurn]:
    """The turns of a lane as they were first said."""
    return [turn for item in items if isinstance(item, Turns) for turn in item.turns]


def told_in_the_end(items: Iterable[Any]) -> list[SpeakerTurn]:
    """The turns of a lane with everything that was revised."""
    known = phrases.Turns()
    for item in items:
        if isinstance(item, Turns):
            for turn in item.turns:
                known.add(turn)
        elif isinstance(item, TurnRevision):
            known.replace(item.start, item.end, item.turns)
    return known.all()


def run_diart(audio: Samples, diarizer: Diarizer, at_once: int = 1) -> list[SpeakerTurn]:
    """What diart's own `SpeakerDiarization` says of 16 kHz audio, with the same models, thresholds and latency.

    It is fed by hand: every half second a window of five, padded on the left. `at_once`: so many windows in one batch,
    which no live stream can wait for, and of which a quantised model says other things than of each alone.
    """
    import torch
    from diart import SpeakerDiarization, SpeakerDiarizationConfig
    from diart.models import EmbeddingModel, SegmentationModel
    from pyannote.core import SlidingWindow, SlidingWindowFeature

    thresholds, settings = diarizer.embedder.thresholds, diarizer.settings
    pipeline = SpeakerDiarization(
        SpeakerDiarizationConfig(
            segmentation=SegmentationModel(lambda: _Segmentation(diarizer.segmenter, together=at_once > 1)),
            embedding=EmbeddingModel(lambda: _Embedding(diarizer.embedder)),
            duration=WINDOW_S,
            step=STEP_S,
            latency=settings.latency,
            tau_active=thresholds.active,
            rho_update=thresholds.update,
            delta_new=thresholds.new,
            device=torch.device("cpu"),
        )
    )
    window, step = round(WINDOW_S * HEARD_RATE), round(STEP_S * HEARD_RATE)
    pipeline.set_timestamp_shift(STEP_S - WINDOW_S)
    steps = -(-len(audio) // step) + round(settings.latency / STEP_S) - 1
    padded = np.zeros(window + (steps - 1) * step, np.float32)
    padded[window - step :][: len(audio)] = audio
    places = [
        SlidingWindow(start=first / HEARD_RATE, duration=1 / HEARD_RATE, step=1 / HEARD_RATE)
        for first in range(0, steps * step, step)
    ]
    windows = [
        SlidingWindowFeature(padded[number * step : number * step + window, None], place)
        for number, place in enumerate(places)
    ]
    said = [answer for first in range(0, steps, at_once) for answer in pipeline(windows[first : first + at_once])]
    return [
        SpeakerTurn(round(segment.start * SAMPLE_RATE), round(segment.end * SAMPLE_RATE), speaker, 1.0)
        for annotation, _ in said
        for segment, _, speaker in annotation.itertracks(yield_label=True)
    ]


def _annotation(turns: Iterable[SpeakerTurn]) -> Any:
    from pyannote.core import Annotation, Segment

    annotation = Annotation()
    for number, turn in enumerate(turns):
        # A track of its own for each: two who speak in the same half second would otherwise count as one.
        annotation[Segment(turn.start / SAMPLE_RATE, turn.end / SAMPLE_RATE), number] = turn.speaker
    return annotation


class _Segmentation:
    """Our model where diart expects its own: (windows, 1, samples) to (windows, frames, local speakers)."""

    def __init__(self, segmenter: Segmenter, *, together: bool) -> None:
        self._segment = segmenter.segment_together if together else segmenter.segment

    def to(self, device: Any) -> _Segmentation:
        return self

    def __call__(self, audio: Any) -> Any:
        import torch

        return torch.from_numpy(np.stack(self._segment(list(audio[:, 0].numpy()))))


class _Embedding:
    """Our model where diart expects its own: (n, 1, samples) and (n, frames) to (n, dimensions)."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    def to(self, device: Any) -> _Embedding:
        return self

    def __call__(self, audio: Any, weights: Any) -> Any:
        import torch

        return torch.from_numpy(self._embedder.embed(list(audio[:, 0].numpy()), list(weights.numpy())))
