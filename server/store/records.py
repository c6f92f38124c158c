"""Rows as the rest of the server sees them: plain and frozen, free of the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar

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


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Part of a list. `next` is the cursor of the part after it, None at the end."""

    items: list[Item]
    total: int
    next: str | None = None
