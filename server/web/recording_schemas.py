"""Recordings, as JSON."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, field_validator, model_validator

from server.web.schemas import Moment, OwnAccess, OwnedQuery, Owner, Request, Text, printable

MAX_SECONDS = 1e9
MAX_DESCRIPTION = 5_000


def _printable_lines(text: str) -> str:
    for line in text.splitlines():
        printable(line.replace("\t", " "))
    return text


Description = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=MAX_DESCRIPTION), AfterValidator(_printable_lines)
]
Language = Annotated[str, StringConstraints(pattern="^[A-Za-z-]{2,12}$", to_lower=True)]


class RecordingChannel(BaseModel):
    slug: str
    name: str


class Trim(Request):
    """What is played and downloaded of a recording; nothing is cut from its files."""

    start_s: float = Field(ge=0.0, le=MAX_SECONDS, description="Where it begins, seconds.")
    end_s: float = Field(gt=0.0, le=MAX_SECONDS, description="Where it ends, seconds: after the beginning.")


class RecordingOut(BaseModel):
    """What was kept of a stream, or became of a file that somebody brought."""

    id: str
    stream_id: str
    title: str
    host: str
    channel: RecordingChannel
    description: str
    origin: str = Field(description="live, or upload for a file that was recorded elsewhere.")
    language: str | None = Field(description="What is spoken; null while nobody knows.")
    created_at: Moment
    duration_s: float = Field(
        description="All that was recorded. Captions, peaks and positions are on its time, whatever the trim."
    )
    plays_s: float = Field(description="What is left of that by the trim: the length to show to people.")
    trim: Trim | None = Field(description="What is played and downloaded; null for all of it.")
    size_bytes: int
    state: str = Field(description="recording, finishing, ready, recovered or failed.")
    detail: str = Field(description="Why it failed or stopped by itself; else empty.")
    audio_url: str
    raw_url: str | None
    download_url: str
    peaks_url: str
    spectrogram_url: str
    binned_at: Moment | None = Field(description="When it went to the bin; null for what is not there.")
    gone_at: Moment | None = Field(description="When it goes from there for good; null likewise.")
    owner: Owner
    access: OwnAccess = None


class LoudnessOut(BaseModel):
    """EBU R128, measured and never forced; null where there is too little sound to say."""

    integrated_lufs: float | None
    range_lu: float | None
    true_peak_dbtp: float | None


class GapOut(BaseModel):
    """A span with silence in the place of sound."""

    start_s: float
    end_s: float
    kind: str = Field(
        description="lost (it never came), away (its publisher or the server was gone), off the record, not recorded, "
        "or damaged (the file has lost it)."
    )


class DenoiseSpanOut(BaseModel):
    """How the noise was treated over a span."""

    start_s: float
    end_s: float
    mode: str = Field(description="active, bypassed, absent, music, or degraded: the original went out meanwhile.")
    strength: float = Field(description="0, the original, to 1, only the voice.")


class ModelOut(BaseModel):
    """A model that has worked on the recording."""

    stage: str = Field(description="denoise, captions, speakers, final captions, final speakers.")
    name: str
    version: str = Field(description="Of the library that runs it; empty where nobody knows.")


class FactsOut(BaseModel):
    """What was found when the recording was finished."""

    loudness: LoudnessOut | None
    gaps: list[GapOut]
    denoise: list[DenoiseSpanOut]
    models: list[ModelOut]
    listeners: list[tuple[float, int]] = Field(
        description="How many listened, each from a second on until the next; for the owner, empty for all others."
    )


class RecordingDetail(RecordingOut):
    """A recording, and what is known of it."""

    facts: FactsOut | None = Field(description="Null until it is finished.")


class PeaksOut(BaseModel):
    """The loudest sample, 0 to 1, of each step."""

    step_s: float
    peaks: list[float]
    pauses: list[list[float]] = Field(
        description="Beginning and end, seconds, where nobody is heard for a second or more."
    )


class RecordingList(BaseModel):
    items: list[RecordingOut]
    total: int
    next: str | None


class RecordingQuery(OwnedQuery):
    binned: bool = Field(False, description="What of one's own is in the bin, instead.")


class DeleteQuery(Request):
    forever: bool = Field(False, description="For good, from the bin too, instead of into the bin.")


class RecordingPatch(Request):
    """What is left out stays as it is."""

    title: Text | None = None
    description: Description | None = None
    language: Language | None = None
    trim: Trim | None = Field(None, description="What is played and downloaded from now on; null for all of it again.")

    _title = field_validator("title")(lambda value: value if value is None else printable(value))

    @model_validator(mode="after")
    def _something(self) -> RecordingPatch:
        if not self.model_fields_set:
            raise ValueError("one of title, description, language and trim must be there")
        return self
