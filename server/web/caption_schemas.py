"""Captions, speakers, known voices and jobs, as JSON."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field, model_validator

from server.speech.editing import LONGEST_TEXT
from server.speech.speakers import LONGEST_NAME
from server.store.records import CaptionVersion, JobState
from server.web.schemas import Moment, PageQuery, Request

MAX_CAPTIONS = 200
"""Captions of a page."""
MAX_LINES = 500
"""The same without words."""
MAX_LABELS = 20


class WordOut(BaseModel):
    """A word with its times, samples at 48 kHz on the stream's timeline."""

    start: int
    end: int
    text: str = Field(description="With its own leading space, where its language has spaces.")
    probability: float = Field(description="0 to 1: how sure the recogniser is.")


class CaptionOut(BaseModel):
    """What somebody said. Times are samples at 48 kHz on the stream's timeline."""

    id: int = Field(description="Counts the captions of a stream.")
    rev: int = Field(description="Counts the versions of this one.")
    start: int
    end: int
    speakers: list[str] = Field(description="Labels, the main one first.")
    text: str = Field(description="What is to be read. Empty for others than the owner when it is hidden.")
    words: list[WordOut]
    committed: int = Field(description="How many of the words never change.")
    final: bool
    hidden: bool
    edited: bool = Field(description="Whether a person wrote the text or said who speaks.")


class SpeakerOut(BaseModel):
    """A label in captions, and who that is."""

    label: str
    number: int = Field(description="Order of appearance, from 1 on.")
    name: str | None
    source: str | None = Field(
        description="Who gave the name: person or voice; person without a name: it was taken away."
    )
    merged_into: str | None = Field(description="The label that this one turned out to be.")
    voice: str | None = Field(description="Id of the known voice that it is.")


class SpeakerList(BaseModel):
    """All speakers of a stream, in the order in which they first spoke."""

    speakers: list[SpeakerOut]


class CaptionList(BaseModel):
    """Final captions in the order in which they were said, and who speaks in them."""

    items: list[CaptionOut]
    total: int
    next: str | None
    version: str = Field(description="live, or final: worked out again from the whole recording.")
    speakers: list[SpeakerOut]


class VersionQuery(Request):
    version: CaptionVersion | None = Field(
        None,
        description="Which account: `live`, as it was written down while live, or `final`, worked out again from the "
        "whole recording; the better one that there is when left out.",
    )


class CaptionQuery(VersionQuery):
    limit: int = Field(50, ge=1, le=MAX_LINES, description="Most items of a page, 1 to 200; to 500 without words.")
    cursor: str | None = Field(None, max_length=200, description="`next` of the page before.")
    before: int | None = Field(None, ge=1, le=2**31 - 1, description="Instead: the last ones before this caption.")
    words: bool = Field(True, description="Whether each word comes with its times; without, `words` is empty.")

    @model_validator(mode="after")
    def _one_way(self) -> CaptionQuery:
        if self.words and self.limit > MAX_CAPTIONS:
            raise ValueError(f"limit is at most {MAX_CAPTIONS} with words")
        if self.before is not None and not self.words:
            raise ValueError("before is for captions with words")
        if self.cursor is not None and self.before is not None:
            raise ValueError("cursor and before exclude each other")
        return self


class CaptionPatch(Request):
    text: str | None = Field(None, description=f"1 to {LONGEST_TEXT} characters; the words as heard undo an edit.")
    speakers: list[str] | None = Field(None, max_length=MAX_LABELS, description="Labels, the main one first.")
    hidden: bool | None = None

    @model_validator(mode="after")
    def _something(self) -> CaptionPatch:
        if self.text is None and self.speakers is None and self.hidden is None:
            raise ValueError("text, speakers or hidden must be there")
        return self


class CorrectedOut(BaseModel):
    """What a correction is about; what it did not change is left out."""

    text: str | None = Field(None, exclude_if=lambda value: value is None)
    speakers: list[str] | None = Field(None, exclude_if=lambda value: value is None, description="Labels.")
    hidden: bool | None = Field(None, exclude_if=lambda value: value is None)


class CorrectionOut(BaseModel):
    """What somebody has changed in a caption."""

    id: int
    at: Moment
    actor: str = Field(description="Whose doing it was, by id.")
    before: CorrectedOut
    after: CorrectedOut
    undone: bool = Field(description="Whether it was taken back.")


class CorrectionList(BaseModel):
    """All corrections of a caption that are kept, the last first."""

    items: list[CorrectionOut]
    total: int
    next: str | None


class SpeakerPatch(Request):
    name: str = Field(description=f"1 to {LONGEST_NAME} characters.")


class SpeakerMergeIn(Request):
    into: str = Field(max_length=40, description="The label that is left.")


class JobOut(BaseModel):
    """Work that outlives a request."""

    id: str
    kind: str
    subject: str = Field(description="Id of the stream, and so of the recording, or of the upload that it is about.")
    state: str = Field(description="queued, running, done, failed or cancelled.")
    progress: float = Field(description="0 to 1.")
    step: str = Field(description="What it is doing, in words.")
    attempts: int
    error: str = Field(description="Why it failed; else empty.")
    created_at: Moment
    started_at: Moment | None
    ended_at: Moment | None
    result: dict[str, Any] | None
    reached: str = Field(description="The last step that need not be done again; empty before the first.")
    position: int | None = Field(description="Place in the queue, 1 for the next; null where it does not wait.")
    wait_s: float | None = Field(description="Until it begins, estimated by what was measured.")


class JobList(BaseModel):
    items: list[JobOut]
    total: int
    next: str | None


class JobQuery(PageQuery):
    subject: str | None = Field(None, max_length=64, description="Only jobs about this stream, recording or upload.")
    state: JobState | None = Field(None, description="Only those that are so.")
    kind: str | None = Field(None, max_length=40, description="Only those of this kind.")


class PlaceOut(BaseModel):
    """One's own job in the queue."""

    id: str
    position: int = Field(description="1 for the next one.")
    wait_s: float = Field(description="Until it begins, estimated by what was measured.")


class LineOut(BaseModel):
    """What waits to be done in the background."""

    waiting: int = Field(description="Jobs of everybody that wait.")
    running: int
    workers: int = Field(description="Jobs that are done at once.")
    limit: int = Field(description="Jobs that may be asked for; more are refused.")
    items: list[PlaceOut] = Field(description="One's own that wait.")
