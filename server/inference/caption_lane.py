"""The seam between a live stream (or a file) and the models that hear words and speakers.

A stream knows nothing of models, batches or processes: it pushes audio into a lane and is told what was heard. Whoever
implements the lane keeps the audio that is not decided yet, so that a worker that dies loses no word.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.metadata import version
from typing import Any, Protocol

from numpy.typing import NDArray

from server.audio.frame import AudioFrame
from server.speech.processor import SpeakerTurn, Watermark, Word
from server.speech.transcriber import Gap, Interim
from server.speech.vad import SpeechEnd, SpeechStart


class Ear(StrEnum):
    """Who hears: each may be given the audio before or after the denoiser."""

    WORDS = "words"
    SPEAKERS = "speakers"


class Urgency(StrEnum):
    """LIVE before everything; FILE is done as fast as the machine allows when nothing live waits."""

    LIVE = "live"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class CaptionOptions:
    """How one stream is to be heard."""

    language: str | None = None
    """None: detected, then kept."""
    translate: bool = False
    """Into English, where the model can; else the lane is refused."""
    vocabulary: str = ""
    """Names and jargon that are likely, with commas between."""
    speakers: int | None = None
    """How many are expected; None where nobody knows."""
    min_speakers: int | None = None
    max_speakers: int | None = None
    urgency: Urgency = Urgency.LIVE


SOFTWARE = {"captions": f"faster-whisper {version('faster-whisper')}", "speakers": f"diart {version('diart')}"}
"""What runs the models of each stage, with its version."""


@dataclass(frozen=True, slots=True)
class CaptionerStatus:
    """What the caption service can do just now."""

    state: str
    """"off" (by setting), "starting", "ready", "degraded" (worker down, coming back; or one stage cannot be had)."""
    recogniser: str | None = None
    """Name of the Whisper model; None where no words are heard."""
    diarizer: str | None = None
    """Name of the embedding model; None where nobody says who speaks."""
    device: str = ""
    detail: str = ""
    """What a person should know and do; empty while all is well."""
    translates: bool = False
    """Whether the Whisper model can write English whatever is spoken."""


@dataclass(frozen=True, slots=True)
class Turns:
    """Who spoke, as it is first said: turns that end at or before `watermark` or reach it (48 kHz)."""

    turns: tuple[SpeakerTurn, ...]
    watermark: int


@dataclass(frozen=True, slots=True)
class TurnRevision:
    """A better account of who spoke from `start` to `end` (48 kHz)."""

    start: int
    end: int
    turns: tuple[SpeakerTurn, ...]


@dataclass(frozen=True, slots=True, eq=False)
class VoicePrints:
    """What the speakers of a stream sound like so far: centroids by label, shape (dimensions,), of unit length.

    `model` is the embedding model's id: centroids of two models cannot be compared. `seconds` is how much of each was
    heard.
    """

    model: str
    centroids: Mapping[str, NDArray[Any]]
    seconds: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class LanguageHeard:
    """The language that the stream is in from now on."""

    language: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The last item of a lane after `finish`: everything is said."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The last item of a lane that the worker does not take, or takes no more; `reason` in words for a person."""

    reason: str


LaneItem = (
    Word
    | Interim
    | Watermark  # of the words
    | Gap
    | SpeechStart
    | SpeechEnd
    | Turns
    | TurnRevision
    | VoicePrints
    | LanguageHeard
    | Finished
    | Refused
)

OnItems = Callable[[Sequence[LaneItem]], None]


@dataclass(frozen=True, slots=True)
class LaneMemory:
    """What a later run of the server needs to go on with a lane: plain values that can be written as JSON."""

    values: Mapping[str, Any] = field(default_factory=dict)


class CaptionLane(Protocol):
    """One stream's way through the models. Never blocks; safe on the event loop."""

    def push(self, ear: Ear, frame: AudioFrame) -> None:
        """The next audio for one ear, 48 kHz mono, on the stream's timeline, without holes for each ear."""
        ...

    @property
    def backlog(self) -> int:
        """Samples (48 kHz) that were pushed and are not decided yet."""
        ...

    @property
    def memory(self) -> LaneMemory:
        """What is known so far, to go on in a later run."""
        ...

    def finish(self) -> None:
        """The audio ends here. The rest is said, then `Finished`."""
        ...

    def close(self) -> None:
        """Let go at once; nothing is said any more."""
        ...


class CaptionService(Protocol):
    """All lanes of this machine."""

    @property
    def status(self) -> CaptionerStatus: ...

    def subscribe(self, listener: Callable[[CaptionerStatus], None]) -> Callable[[], None]:
        """Call `listener` on the event loop at every change of status; returns the way to stop it."""
        ...

    def open(
        self, options: CaptionOptions, start: int, on_items: OnItems, memory: LaneMemory | None = None
    ) -> CaptionLane:
        """A lane for audio that begins at sample `start`; `on_items` is called on the event loop.

        While the worker is down the lane keeps audio and says nothing. Raises Unavailable where captions are off or
        their models cannot be had, InvalidRequest for options that the model cannot follow.
        """
        ...

    async def start(self) -> None: ...

    async def close(self) -> None: ...
