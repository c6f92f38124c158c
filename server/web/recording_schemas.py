"""Recordings, as JSON."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field, field_validator

from server.web.schemas import Moment, OwnAccess, Owner, Request, Text, printable


class RecordingChannel(BaseModel):
    slug: str
    name: str


class RecordingOut(BaseModel):
    """What was kept of a stream."""

    id: str
    stream_id: str
    title: str
    host: str
    channel: RecordingChannel
    created_at: Moment
    duration_s: float
    size_bytes: int
    state: str = Field(description="recording, finishing, ready, recovered or failed.")
    detail: str = Field(description="Why it failed or stopped by itself; else empty.")
    audio_url: str
    raw_url: str | None
    download_url: str
    peaks_url: str
    owner: Owner
    access: OwnAccess = None


class PeaksOut(BaseModel):
    """The loudest sample, 0 to 1, of each step."""

    step_s: float
    peaks: list[float]


class RecordingList(BaseModel):
    items: list[RecordingOut]
    total: int
    next: str | None


class AudioQuery(Request):
    version: Literal["clean", "raw"] = Field("clean", description="`raw` is the sound before the denoiser, if kept.")
    download: bool = Field(False, description="Send a file name along, so that browsers save it.")


class RecordingPatch(Request):
    title: Text

    _title = field_validator("title")(printable)
