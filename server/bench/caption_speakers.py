"""Who is said to speak in captions, against who spoke: diarization error rates and cpWER."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from server.audio.frame import Samples
from server.audio.resample import resample
from server.bench.diarization_error import run_diart, score, told_in_the_end
from server.bench.references import Segment
from server.bench.simulated import SimulatedStream
from server.bench.wording import normalised
from server.clock import SAMPLE_RATE
from server.config import Settings
from server.inference.caption_lane import CaptionOptions, Urgency
from server.inference.captioning.choice import Hardware
from server.inference.captioning.finding import find
from server.inference.diarization.diarizer import Diarizer
from server.inference.diarization.live import LiveSettings
from server.speech.captions import Caption
from server.speech.heard import HEARD_RATE, Heard

NAMES = ("der", "der_revised", "der_final", "der_diart")


def load_diarizer(settings: Settings) -> Diarizer | None:
    """The diarizer that a server with these settings would take; None where its models are not there."""
    found = find(settings, Hardware.here())
    if found.segmentation is None or found.embedding is None:
        return None
    return Diarizer.load(found.segmentation, found.embedding, LiveSettings(latency=settings.diarization_latency_s))


def error_rates(stream: SimulatedStream, diarizer: Diarizer | None, rttm: Path | None) -> dict[str, float | None]:
    """Of turns as first told, as told in the end, as a final pass tells them, and as diart itself would."""
    if diarizer is None or rttm is None:
        return dict.fromkeys(NAMES)
    audio = resample(stream.for_speakers, SAMPLE_RATE, HEARD_RATE)
    told = {
        "der": stream.turns,
        "der_revised": told_in_the_end(stream.who_items),
        "der_final": told_in_the_end(in_one_go(diarizer, audio)),
        "der_diart": run_diart(audio, diarizer),
    }
    return {name: score(rttm, turns, len(stream.samples)).rate for name, turns in told.items()}


def in_one_go(diarizer: Diarizer, audio: Samples) -> list[Any]:
    """What is said of a whole recording, 16 kHz."""
    recording: Any = diarizer.open(CaptionOptions(urgency=Urgency.FILE), 0, None)
    return [item for heard in (Heard(0, audio), None) for item in diarizer.hear([(recording, heard)])[0]]


def cpwer(segments: Sequence[Segment] | None, captions: Sequence[Caption]) -> float | None:
    """Word error rate with each speaker's words put together, speakers matched as well as they can be (meeteval).

    None without a reference, or where meeteval is not installed.
    """
    try:
        from meeteval.wer import cp_word_error_rate
    except ImportError:
        return None
    if not segments:
        return None
    true: dict[str, list[str]] = {}
    for segment in segments:
        true.setdefault(segment.speaker, []).extend(segment.words)
    found: dict[str, list[str]] = {}
    for caption in captions:
        found.setdefault(caption.speakers[0] if caption.speakers else "", []).extend(normalised(caption.shown))
    rate = cp_word_error_rate(_joined(true), _joined(found)).error_rate
    return None if rate is None else float(rate)


def _joined(words: dict[str, list[str]]) -> dict[str, str]:
    return {speaker: " ".join(said) for speaker, said in words.items()}
