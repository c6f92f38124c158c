"""The models of a caption worker, each loaded once for all streams."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from server.errors import ModelMissing
from server.inference.caption_lane import CaptionOptions, TurnRevision, Turns, VoicePrints
from server.inference.captioning.settings import CaptionWorkerConfig
from server.speech.heard import Heard
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


@dataclass(frozen=True, slots=True)
class Models:
    """What a loader gives the worker."""

    transcribe: Answers | None
    """Words; None where nobody hears them."""
    voice: Answers
    """Speech or not."""
    diarizer: Diarizer | None = None
    device: str = "cpu"
    detail: str = ""
    """What a person should know of it."""
    alike: Callable[[Request], Hashable] | None = None
    """Which requests the recogniser can hear in one batch; None: any."""


def load_models(config: CaptionWorkerConfig) -> Models:
    """Whisper and Silero, as the configuration says. Raises ModelMissing or ModelCorrupt."""
    from server.inference.recogniser import Recogniser
    from server.inference.voice import SileroVad

    if config.recogniser_dir is None:
        raise ModelMissing("The Whisper model is not installed.")
    recogniser = Recogniser.load(Path(config.recogniser_dir), config.recogniser_options())
    voice = SileroVad()
    return Models(
        transcribe=lambda requests: [recogniser.answer(request) for request in requests],
        voice=lambda requests: [voice.answer(request) for request in requests],
        device=recogniser.settings.device,
    )
