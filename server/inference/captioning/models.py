"""The models of a caption worker, each loaded once for all streams."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from server.errors import ModelCorrupt, ModelMissing
from server.inference.caption_lane import CaptionOptions, TurnRevision, Turns, VoicePrints
from server.inference.captioning.settings import CaptionWorkerConfig
from server.log import get_logger
from server.speech.heard import HEARD_RATE, Heard
from server.speech.processor import Request

Answers = Callable[[Sequence[Request]], list[Any]]
"""Answers a batch of requests, in order. What it raises fails the batch."""


Who = Turns | TurnRevision | VoicePrints


class Diarizer(Protocol):
    """The models of diarization, shared by all streams. Used in a thread of their own; may take their time."""

    @property
    def name(self) -> str:
        """Id of the embedding model."""
        ...

    def open(self, options: CaptionOptions, start: int, voices: VoicePrints | None) -> Any:
        """A stream whose audio begins at `start` (48 kHz); `voices` are known from before. Raises InvalidRequest."""
        ...

    def hear(self, pushed: Sequence[tuple[Any, Heard | None]]) -> list[list[Who]]:
        """The next audio of several streams, without holes; None where it has ended. What is said of each."""
        ...

    def conclude(self, stream: Any) -> list[Who]:
        """What is said of a file that was heard to its end: no model is needed, and any thread will do."""
        ...


@dataclass(frozen=True, slots=True)
class Condition:
    """How the models run just now."""

    device: str = "cpu"
    detail: str = ""
    """What a person should know of it."""


@dataclass(frozen=True, slots=True)
class Models:
    """What a loader gives the worker."""

    transcribe: Answers | None
    """Words; None where nobody hears them."""
    voice: Answers
    """Speech or not."""
    diarizer: Diarizer | None = None
    alike: Callable[[Request], Hashable] | None = None
    """Which requests the recogniser can hear in one batch; None: any."""
    condition: Callable[[], Condition] = Condition
    """Asked every now and then, in another thread."""


def load_models(config: CaptionWorkerConfig) -> Models:
    """Whisper, Silero and diart's, as the configuration says. Raises ModelMissing or ModelCorrupt.

    Without the models of diarization words are heard all the same.
    """
    from server.inference.captioning.stepping import SteppingRecogniser
    from server.inference.recogniser import Recogniser
    from server.inference.voice import SileroVad

    if config.recogniser_dir is None:
        raise ModelMissing("The Whisper model is not installed.")
    folder = Path(config.recogniser_dir)
    recogniser = SteppingRecogniser(lambda settings: Recogniser.load(folder, settings), config.recogniser_options())
    voice = SileroVad()
    diarizer, detail = load_diarizer(config.diarizer)
    return Models(
        transcribe=recogniser.answer_all,
        voice=lambda requests: [voice.answer(request) for request in requests],
        diarizer=diarizer,
        alike=recogniser.alike,
        condition=lambda: Condition(recogniser.device, " ".join(filter(None, (recogniser.detail, detail)))),
    )


def load_diarizer(config: Mapping[str, Any] | None) -> tuple[Diarizer | None, str]:
    """The diarizer, and what a person should know where it cannot be had."""
    if config is None:
        return None, ""
    from server.inference.diarization.diarizer import Diarizer as Loaded
    from server.inference.diarization.live import LiveSettings

    try:
        loaded = Loaded.load(
            config["segmentation"],
            config["embedding"],
            LiveSettings(latency=config["latency"]),
            config["device"],
        )
    except (ModelMissing, ModelCorrupt) as error:
        get_logger(__name__).warning("nobody says who speaks", reason=error.message)
        return None, error.message
    embedder = loaded.embedder
    embedder.thresholds = replace(embedder.thresholds, **config["thresholds"])
    # diart's modules take seconds to import; the first words of the first stream would wait for them.
    stream: Any = loaded.open(CaptionOptions(), 0, None)
    loaded.hear([(stream, Heard(0, np.zeros(HEARD_RATE, np.float32)))])
    return loaded, ""
