"""Rows as the rest of the server sees them: plain and frozen, free of the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Channel:
    """The lasting address of a person's broadcasts."""

    id: str
    slug: str
    name: str
    host: str
    """The name that listeners see."""
    owner: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class StoredStream:
    """A stream as it was last written down; a live one is ahead of this."""

    id: str
    channel_id: str
    owner: str
    host: str
    title: str
    state: str
    started_at: datetime
    ended_at: datetime | None = None
    end_reason: str = ""
    length: int = 0
    """Samples at 48 kHz."""
    listeners_peak: int = 0
    denoise_mode: str = "absent"
    denoise_engine: str | None = None
    recorded: bool = False
    language: str | None = None
    """What is spoken; None where nobody knows."""
    vocabulary: str = ""
    """Names and jargon that are likely, with commas between."""
    translated: bool = False
    """Whether its captions are in English, whatever is spoken."""
    fewest_speakers: int | None = None
    most_speakers: int | None = None
    """As its publisher has said; None where nobody knows."""
    origin: str = "live"
    """"live", or "upload" for a file that was recorded elsewhere."""


class RecordingState(StrEnum):
    """What has become of a recording."""

    RECORDING = "recording"
    FINISHING = "finishing"
    READY = "ready"
    RECOVERED = "recovered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording and where it came from."""

    id: str
    stream_id: str
    title: str
    host: str
    owner: str
    channel_slug: str
    channel_name: str
    created_at: datetime
    state: str
    detail: str = ""
    length: int = 0
    """Samples at 48 kHz."""
    size_bytes: int = 0
    has_raw: bool = False
    deleted_at: datetime | None = None
    channel_id: str = ""
    description: str = ""
    trim_start: int | None = None
    trim_end: int | None = None
    """What is played and downloaded, in samples; all where nothing is said. Nothing is cut from the files."""
    facts: Mapping[str, Any] | None = None
    """What was found when it was finished, see `recordings.facts`."""
    origin: str = "live"
    language: str | None = None
    """What is spoken, as far as it is known."""

    def plays(self, start: int, end: int) -> bool:
        """Whether something of what lies there is left by the trim; samples."""
        first, last = self.trim_start, self.trim_end
        return (first is None or end > first) and (last is None or start < last)


class CaptionVersion(StrEnum):
    """Which account of what was said."""

    LIVE = "live"
    """As it was written down while the stream was live."""
    FINAL = "final"
    """As it was worked out again from the whole recording."""


@dataclass(frozen=True, slots=True, eq=False)
class VoicePrint:
    """What one speaker of a stream sounds like."""

    model: str
    """Id of the embedding model: centroids of two models cannot be compared."""
    centroid: NDArray[np.float32]
    """Shape (dimensions,), of unit length."""
    seconds: float
    """How much of the speaker was heard."""


@dataclass(frozen=True, slots=True, eq=False)
class Voice:
    """A voice that its owner wants to be known by name, with the consent of whose it is."""

    id: str
    owner: str
    name: str
    created_at: datetime
    model: str
    """Id of the embedding model."""
    centroids: NDArray[np.float32]
    """Shape (centroids, dimensions), each of unit length: one for each time it was saved."""
    seconds: float
    """How much speech they were made from."""
    consent_at: datetime
    description: str = ""
    active: bool = True
    """Whether speakers are compared with it."""
    verified: bool = False
    """Whether its owner has listened, and says that it is who it is called."""


class JobState(StrEnum):
    """What has become of a job."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Job:
    """Work that outlives a request. This row is the truth, whatever the queue knows."""

    id: str
    kind: str
    subject: str
    """Id of the stream, and so of the recording, that it is about."""
    owner: str
    created_at: datetime
    state: str = JobState.QUEUED
    progress: float = 0.0
    """0 to 1."""
    step: str = ""
    """What it is doing, in words for a person."""
    attempts: int = 0
    error: str = ""
    """Why it failed, in words for a person; else empty."""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    result: Mapping[str, Any] | None = None
    priority: int = 0
    """Higher goes first."""
    parameters: Mapping[str, Any] | None = None
    """What is wanted, where `kind` and `subject` do not say it all."""
    reached: str = ""
    """The last step that need not be done again, by its name."""


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Part of a list. `next` is the cursor of the part after it, None at the end."""

    items: list[Item]
    total: int
    next: str | None = None
