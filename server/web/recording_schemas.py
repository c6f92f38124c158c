"""Recordings, as JSON."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from server.speech.searching import LONGEST_SEARCH
from server.speech.speakers import LONGEST_NAME
from server.store.records import RecordingState
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


class SpeakerShare(BaseModel):
    """How much one speaker said, by the better account; what is hidden does not count."""

    label: str
    name: str
    seconds: float
    words: int
    share: float = Field(description="0 to 1, of all that anybody said.")


class DetailQuery(Request):
    """How much is told of one recording."""

    speakers: bool = Field(True, description="Who talks how long, which takes a moment for hours of captions.")


class RecordingDetail(RecordingOut):
    """A recording, and what is known of it."""

    speakers: list[SpeakerShare] = Field(
        description="In the order in which they first spoke; none where the query says `speakers=false`."
    )
    facts: FactsOut | None = Field(description="Null until it is finished.")


class PeaksOut(BaseModel):
    """The loudest sample, 0 to 1, of each step."""

    step_s: float
    peaks: list[float]
    pauses: list[list[float]] = Field(
        description="Beginning and end, seconds, where nobody is heard for a second or more."
    )


class MatchOut(BaseModel):
    """A caption in which something was found."""

    number: int = Field(description="Of the caption.")
    start_s: float
    end_s: float
    speaker: str | None = Field(description="Who says it, as people see it; null where nobody knows.")
    text: str
    marks: list[tuple[int, int]] = Field(
        description="What was found, from where to where in `text`, counted as JavaScript does, in UTF-16."
    )


class ListedRecording(RecordingOut):
    """A recording, and where in it something was found."""

    matches: list[MatchOut] | None = Field(
        None,
        exclude_if=lambda value: value is None,
        description="Captions that say best what was searched for, 3 at most, in order; left out without a search.",
    )


class RecordingList(BaseModel):
    items: list[ListedRecording]
    total: int
    next: str | None


class RecordingQuery(OwnedQuery):
    cursor: str | None = Field(None, max_length=1_000, description="`next` of the page before.")
    search: str | None = Field(
        None,
        max_length=LONGEST_SEARCH,
        description="Words that must all be in title, description, names of speakers or what is said, in any case and "
        "with or without diacritics; phrases in quotation marks. The last word may be a beginning, unless a space "
        "follows it.",
    )
    collection: str | None = Field(None, max_length=64, description="Only what is in this collection, by id.")
    origin: Literal["live", "upload"] | None = Field(None, description="`upload`: recorded elsewhere.")
    state: RecordingState | None = None
    speaker: str | None = Field(None, max_length=LONGEST_NAME, description="Only where somebody of this name speaks.")
    language: Language | None = Field(None, description="Only what is spoken in it, `en` say.")
    since: AwareDatetime | None = Field(None, description="Only what began then or later.")
    until: AwareDatetime | None = Field(None, description="Only what began before then.")
    binned: bool = Field(False, description="What of one's own is in the bin, instead.")
    sort: Literal["newest", "oldest", "longest", "largest", "title", "relevance"] | None = Field(
        None, description="`newest` when left out, in a search `relevance`: the best first."
    )


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
