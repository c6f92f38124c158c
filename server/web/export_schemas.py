"""What may be taken along of a recording, as JSON."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, Field

from server.store.records import CaptionVersion
from server.web.schemas import Request

DAY_S = 7 * 86_400.0
"""Longer than any recording."""


class Sound(StrEnum):
    """Formats of sound."""

    OPUS = "opus"
    WAV = "wav"
    FLAC = "flac"
    MP3 = "mp3"
    M4A = "m4a"


class PartQuery(Request):
    """Part of a recording, in the time of all of it."""

    start: float | None = Field(None, ge=0, le=DAY_S, description="Seconds of the whole recording, trimmed or not.")
    end: float | None = Field(None, ge=0, le=DAY_S, description="The same; to its end when left out.")
    whole: bool = Field(False, description="What was trimmed away too. Its owner may.")


class AudioQuery(PartQuery):
    version: Literal["clean", "raw"] = Field("clean", description="`raw` is the sound before the denoiser, if kept.")
    format: Sound = Field(Sound.OPUS, description="`opus` as it was recorded; others are made, and kept for a while.")
    track: str | None = Field(
        None,
        max_length=64,
        description="One speaker's label: the same length, silent where that person does not speak; where several "
        "speak at once, all of them. `room` is what is in nobody's track.",
    )
    download: bool = Field(False, description="Send a file name along, so that browsers save it.")


class AudioProgress(BaseModel):
    """How far a file is."""

    ready: bool = Field(description="`/audio` answers at once.")
    share: float = Field(description="How much of it is made, 0 to 1.")


class Writing(StrEnum):
    """Formats of transcripts."""

    TXT = "txt"
    MD = "md"
    SRT = "srt"
    VTT = "vtt"
    JSON = "json"
    CSV = "csv"
    PDF = "pdf"
    DOCX = "docx"


class TranscriptQuery(PartQuery):
    version: CaptionVersion | None = Field(
        None, description="Which account, `live` or `final`; the better one that there is when left out."
    )
    format: Writing = Field(Writing.TXT, description="docs/exports.md says what each of them holds.")
    speakers: bool = Field(True, description="Who speaks.")
    times: bool | None = Field(
        None, description="When, in `txt` and `md` (else not) and in `pdf` and `docx` (else so); others always tell."
    )
    confidence: bool = Field(False, description="How sure the recogniser was.")
    translation: bool | None = Field(
        None, description="`true`: the English translation or nothing (409); `false`: only what was really said."
    )
    chat: bool = Field(False, description="What people wrote meanwhile.")
    summary: bool = Field(False, description="Key figures, and what was found in it; not in `srt` and `csv`.")
    download: bool = Field(False, description="Send a file name along, so that browsers save it.")


class TracksQuery(PartQuery):
    format: Sound = Field(Sound.FLAC, description="Of every track.")


class TrackOut(BaseModel):
    """One speaker's track. Merged speakers have one together."""

    label: str
    name: str
    seconds: float = Field(description="How long this person speaks.")
    words: int
    overlap_s: float = Field(description="How long others do at the same time: the track holds them too then.")
    sample_url: str = Field(description="Five seconds of this person, to hear who it is.")
    audio_url: str = Field(description="The track; `format`, `start` and `end` may be added.")


class RoomOut(BaseModel):
    """What is in nobody's track."""

    seconds: float
    audio_url: str


class TrackList(BaseModel):
    """The tracks of a recording. Times are seconds of the whole recording."""

    items: list[TrackOut]
    room: RoomOut
    start_s: float = Field(description="Where a track begins: after what was trimmed away.")
    end_s: float
    turns: list[tuple[float, float, str]] = Field(description="From, to, label; by their beginnings.")
