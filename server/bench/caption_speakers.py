"""Who is said to speak in captions, against who spoke: diarization error rates and cpWER."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from server.audio.frame import Samples
from server.audio.resample import resample
from server.bench.diarization_error import first_told, run_diart, score, told_in_the_end
from server.bench.references import Segment
from server.bench.wording import normalised
from server.clock import SAMPLE_RATE
from server.config import Settings
from server.inference.captioning.choice import Hardware
from server.inference.captioning.finding import find
from server.inference.captioning.models import Who
from server.inference.diarization.diarizer import Diarizer
from server.inference.diarization.live import LiveSettings
from server.jobs.hearing import Heard
from server.speech.captions import Caption
from server.speech.heard import HEARD_RATE
from server.speech.processor import SpeakerTurn

NAMES = ("der", "der_revised", "der_final", "der_diart", "der_diart_batched")
BATCH = 32
"""Windows that diart's own benchmark gives its models at once."""


def load_diarizer(settings: Settings) -> Diarizer | None:
    """The diarizer that a server with these settings would take; None where its models are not there."""
    found = find(settings, Hardware.here())
    if found.segmentation is None or found.embedding is None:
        return None
    return Diarizer.load(found.segmentation, found.embedding, LiveSettings(latency=settings.diarization_latency_s))


def error_rates(
    streams: Sequence[Sequence[Who]], account: Heard, audio: Samples, diarizer: Diarizer | None, rttm: Path | None
) -> dict[str, float | None]:
    """Of turns as first told, as told in the end, as a final pass tells them, and as diart itself would: window by
    window as a stream comes, and many at a time.

    `streams` are what was told of each, of which the worst counts; `audio` (48 kHz) is what the diarizer heard.
    """
    if diarizer is None or rttm is None:
        return dict.fromkeys(NAMES)
    heard = resample(audio, SAMPLE_RATE, HEARD_RATE)
    told = {
        "der": [first_told(items) for items in streams],
        "der_revised": [told_in_the_end(items) for items in streams],
        "der_final": [account.turns],
        "der_diart": [run_diart(heard, diarizer)],
        "der_diart_batched": [run_diart(heard, diarizer, BATCH)],
    }
    return {name: _worst_rate(rttm, ways, len(audio)) for name, ways in told.items()}


def _worst_rate(rttm: Path, ways: Sequence[Sequence[SpeakerTurn]], length: int) -> float | None:
    rates = [score(rttm, turns, length).rate for turns in ways]
    return max((rate for rate in rates if rate is not None), default=None)


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
