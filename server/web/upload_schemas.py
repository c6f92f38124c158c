"""Uploads, as JSON."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from server.store.people_records import Access
from server.uploads.options import LONGEST_TITLE
from server.web.schemas import MAX_SPEAKERS, MAX_VOCABULARY, Moment, PageQuery, Request, printable

MAX_BATCH = 100

Title = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_TITLE),
    AfterValidator(printable),
]
BatchName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class UploadOptionsIn(Request):
    """What is wanted done with a file; what is left out is as it would be for a stream."""

    title: Title | None = Field(None, description="The file's name without its ending, where nothing is said.")
    language: str | None = Field(None, pattern="^[a-z]{2,3}$", description="What is spoken, like `en`; else heard.")
    speakers: int | None = Field(None, ge=1, le=MAX_SPEAKERS, description="How many speak, where that is known.")
    denoise: bool = Field(True, description="Whether the noise is taken out.")
    diarize: bool = Field(True, description="Whether it is found out who speaks.")
    captions: bool = Field(True, description="Whether what is said is written down.")
    translate: bool = Field(False, description="Whether it is written down in English, whatever is spoken.")
    vocabulary: str = Field("", max_length=MAX_VOCABULARY, description="Names and jargon, with commas between.")
    access: Access | None = Field(None, description="Who may hear it; as the channel's streams where left out.")
    start: Literal["at-once", "after-check"] = Field(
        "at-once", description="`after-check`: only when somebody has looked at the diagnosis and starts it."
    )


class UploadQuery(PageQuery):
    batch: BatchName | None = Field(None, description="Only those that were sent together under this name.")


class UploadPatch(Request):
    options: UploadOptionsIn


class UploadAgain(Request):
    options: UploadOptionsIn = Field(default_factory=UploadOptionsIn)


class UploadBatch(Request):
    ids: list[Annotated[str, StringConstraints(min_length=1, max_length=64)]] = Field(
        min_length=1, max_length=MAX_BATCH, description="Of one's own uploads."
    )
    options: UploadOptionsIn | None = Field(None, description="For all of them; left as they are when left out.")
    start: bool = Field(False, description="Whether those that can be are started.")


class UploadJobOut(BaseModel):
    """What is being done about an upload, or waits."""

    id: str
    kind: str
    progress: float = Field(description="0 to 1.")
    step: str = Field(description="What it is doing, in words.")
    position: int | None = Field(description="Place in the queue, 1 for the next; null where it does not wait.")
    wait_s: float | None = Field(description="Until it begins, estimated.")


class DiagnosisOut(BaseModel):
    """What a quick look at a file has found. Levels are of what was looked at, dB of full scale."""

    duration_s: float | None
    format: str = Field(description="Container and codec.")
    channels: int | None
    sample_rate: int | None
    level_dbfs: float | None = Field(description="Of the louder parts; null where there is silence only.")
    noise_dbfs: float | None = Field(description="Of the quietest parts.")
    snr_db: float | None
    speakers: int | None = Field(description="How many voices were heard in parts of it; null where nobody can tell.")


class UploadOut(BaseModel):
    """A file that was recorded elsewhere."""

    id: str
    name: str = Field(description="As its owner's machine called it.")
    size: int = Field(description="Bytes.")
    received: int = Field(description="Bytes that are here.")
    state: str = Field(
        description="receiving, received, checking, ready_to_start, queued, processing, done, failed or cancelled."
    )
    detail: str = Field(description="What a person should know; else empty.")
    batch: str | None
    options: UploadOptionsIn
    diagnosis: DiagnosisOut | None
    duplicate_of: str | None = Field(description="The upload by which the same content was processed.")
    recording_id: str | None
    job: UploadJobOut | None
    created_at: Moment
    expires_at: Moment | None = Field(description="Until when an upload that was cut off can be gone on with.")


class UploadList(BaseModel):
    items: list[UploadOut]
    total: int
    next: str | None


class BatchResult(BaseModel):
    """What has become of one upload of a batch."""

    id: str
    upload: UploadOut | None
    error: str = Field(description="Why it was left as it was; else empty.")
    code: str = Field(description="The same for programs.")


class BatchOut(BaseModel):
    items: list[BatchResult]


def known_options(values: dict[str, Any]) -> UploadOptionsIn:
    """Options that were kept, as they are shown."""
    return UploadOptionsIn.model_validate({k: v for k, v in values.items() if k in UploadOptionsIn.model_fields})
