"""What the media host is told and what it tells: everything here can be sent to another machine as JSON.

Commands carry grants: whoever sends one has asked `accounts.authorise` first; the media host does not ask again.
Times are samples at 48 kHz on the stream's timeline unless a name says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from server.rooms.caption_messages import (
    UNKNOWN_SPEAKER,
    CaptionAnswer,
    CaptionCommand,
    CaptionEdit,
    CaptionInfo,
    CaptionOutput,
    CaptionsInfo,
    CaptionsSnapshot,
    CaptionsStateTold,
    CaptionTold,
    CaptionWishes,
    KnownVoice,
    OffRecordTold,
    SpeakerInfo,
    SpeakerMerge,
    SpeakerRename,
    SpeakersTold,
    SpeakerUnmerge,
    SpeakerVoice,
    SpeakingTold,
    VoicesHeard,
    VoicesKnown,
    caption_info,
    known_caption,
    known_speakers,
    speaker_infos,
)
from server.speech.denoise import DenoiseMode
from server.speech.processor import Word

__all__ = [
    "MAX_TITLE",
    "SERVER_STOPPED",
    "SHUTDOWN",
    "UNKNOWN_SPEAKER",
    "CaptionAnswer",
    "CaptionCommand",
    "CaptionEdit",
    "CaptionInfo",
    "CaptionOutput",
    "CaptionTold",
    "CaptionWishes",
    "CaptionsInfo",
    "CaptionsSnapshot",
    "CaptionsStateTold",
    "DenoiseInfo",
    "DenoiseMode",
    "KnownVoice",
    "Levels",
    "ListenGrant",
    "ListenerTold",
    "MediaEvent",
    "OffRecordTold",
    "PeerAnswer",
    "PublishGrant",
    "RecordingInfo",
    "SpeakerInfo",
    "SpeakerMerge",
    "SpeakerRename",
    "SpeakerUnmerge",
    "SpeakerVoice",
    "SpeakersTold",
    "SpeakingTold",
    "StreamChange",
    "StreamInfo",
    "StreamState",
    "VoicesHeard",
    "VoicesKnown",
    "Word",
    "caption_info",
    "known_caption",
    "known_speakers",
    "speaker_infos",
]


MAX_TITLE = 200
"""Characters of a stream's title."""


SHUTDOWN = "shutdown"
"""Why a stream ended: the server was stopped in good order, and its publisher did not come back to the next run."""

SERVER_STOPPED = "server stopped"
"""The same, of a server that was cut off."""


class StreamState(StrEnum):
    """The life of a stream."""

    CONNECTING = "connecting"
    LIVE = "live"
    RECONNECTING = "reconnecting"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class PublishGrant:
    """Somebody may publish on a channel."""

    channel_id: str
    principal: str
    """Who publishes; only the same principal may resume."""
    host_name: str
    """The name listeners see."""
    stream_id: str
    """Taken for a new stream; a resumed one keeps its own."""
    title: str
    denoise: DenoiseMode = DenoiseMode.ACTIVE
    record: bool = True
    denoise_strength: float | None = None
    """0 to 1; None for the setting's."""
    resume_token: str | None = None
    """What an earlier answer of the same stream gave, to take it over at once."""
    post_filter: bool | None = None
    """None for the setting's."""
    captions: bool = True
    """Whether what is said is written down."""
    language: str | None = None
    """A code that the recogniser knows, "en" say; None: detected, then kept."""
    translate: bool = False
    """Whether captions are in English, whatever is spoken."""
    vocabulary: str = ""
    """Names and jargon that are likely, with commas between."""
    speakers: int | None = None
    """How many people are expected to speak; None where nobody knows."""
    min_speakers: int | None = None
    max_speakers: int | None = None
    voices: list[KnownVoice] = field(default_factory=list)
    """Those that the stream's owner has saved."""
    recording_detail: str = ""
    """Why it is not recorded although that was wished for."""


@dataclass(frozen=True, slots=True)
class ListenGrant:
    """Somebody may listen to a channel."""

    channel_id: str
    principal: str


@dataclass(frozen=True, slots=True)
class ListenerTold:
    """A listener has come, or has gone, whoever wanted that."""

    channel_id: str
    peer_id: str
    principal: str
    here: bool


@dataclass(frozen=True, slots=True)
class PeerAnswer:
    """What a peer's offer was answered with."""

    peer_id: str
    sdp: str
    stream_id: str | None
    """The stream published or heard; None for a listener who came before the publisher."""
    resume_token: str | None = None
    """For a publisher: takes the stream over at once when it is sent with a later offer."""


@dataclass(frozen=True, slots=True)
class StreamChange:
    """What may be changed while a stream is live; None leaves it as it is."""

    title: str | None = None
    denoise: DenoiseMode | None = None
    record: bool | None = None
    denoise_strength: float | None = None
    """0, the original, to 1, only the voice."""
    post_filter: bool | None = None
    """Whether what is left of the noise is attenuated a little more."""
    off_record: bool | None = None
    """Whether audio goes out and nothing is written or kept."""
    recording_detail: str = ""
    """Why it is not recorded any more, where that is not what a person wishes; or why it soon will not be."""


@dataclass(frozen=True, slots=True)
class DenoiseInfo:
    """The denoiser as one stream has it."""

    mode: DenoiseMode
    engine: str | None
    """"DeepFilterNet3", "DeepFilterNet2", "RNNoise", or None when nothing can denoise."""
    state: str
    """"ok", "starting", "degraded" (the original goes out for now) or "off"."""
    detail: str = ""
    """What a person should know and do about it; empty while all is well."""
    strength: float = 1.0
    """0, the original, to 1, only the voice."""
    post_filter: bool = False


@dataclass(frozen=True, slots=True)
class RecordingInfo:
    """The recording of one stream, while live."""

    on: bool
    id: str | None = None
    """None until something has been recorded; equals the stream's id (a stream has one recording)."""
    detail: str = ""
    """Why it stopped by itself (disk full, say), or soon will; else empty."""
    held: bool = False
    """Whether the stream has ended and a disk that hangs still holds the files: nobody else may touch them."""


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """A stream as everybody may see it."""

    id: str
    channel_id: str
    principal: str
    host_name: str
    title: str
    state: StreamState
    started_at: datetime
    denoise: DenoiseInfo
    recording: RecordingInfo
    position: int = 0
    """Length of the timeline so far."""
    listeners: int = 0
    listeners_peak: int = 0
    reconnect_by: datetime | None = None
    """While reconnecting: when the stream ends unless its publisher is back."""
    ended_at: datetime | None = None
    end_reason: str = ""
    sources: list[str] = field(default_factory=lambda: ["main"])
    captions: CaptionsInfo = field(default_factory=CaptionsInfo)
    wishes: CaptionWishes = field(default_factory=CaptionWishes)


@dataclass(frozen=True, slots=True)
class Levels:
    """How loud a stream was, five times a second: whoever missed it needs it no more."""

    stream_id: str
    at: int
    """First sample of the first step."""
    step: int
    """Samples that each level stands for."""
    came: list[float]
    """RMS of what the publisher sent, dBFS."""
    went: list[float]
    """RMS of what listeners heard of the same moments, dBFS."""


@dataclass(frozen=True, slots=True)
class MediaEvent:
    """Something that happened in the media host.

    `type` is one of: stream_started, stream_state, stream_updated, stream_ended, listeners, publisher_replaced,
    degraded, recovered, recording_failed. `stream` is the stream after the event; None where the whole machine is
    meant (degraded and recovered of a worker itself). `stage` names what is degraded: "denoise", "captions",
    "recording", or "disk", which has little room left for it. `peer_id` is the connection that was replaced.
    """

    type: str
    stream: StreamInfo | None = None
    stage: str = ""
    detail: str = ""
    peer_id: str = ""
