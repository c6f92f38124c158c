"""Known voices, as JSON."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field, model_validator

from server.speech.speakers import LONGEST_NAME
from server.web.schemas import Moment, PageQuery, Request

LONGEST_DESCRIPTION = 1000


class Consent(Request):
    consent: Literal[True] = Field(description="That the person agrees to be known by their voice.")
    existing: Literal["add", "replace"] | None = Field(
        None,
        description="Where the name is known by a voice that sounds otherwise (409 `voice-differs` when left out): "
        "`add` to it, or `replace` it.",
    )


class SampleQuery(Request):
    """Whose voice a sample is."""

    name: str = Field(min_length=1, max_length=LONGEST_NAME, description="Who speaks in it.")
    consent: Literal["true"] = Field(description="That the person agrees to be known by their voice.")
    existing: Literal["add", "replace"] | None = Field(None, description="As for a speaker of a stream.")


class VoiceOut(BaseModel):
    """A voice that is known by name."""

    id: str
    name: str
    created_at: Moment
    seconds: float = Field(description="How much speech it was made from.")
    model: str = Field(description="The embedding model; with another one the voice has to be saved again.")
    consent_at: Moment
    description: str
    active: bool = Field(description="Whether speakers are compared with it.")
    verified: bool = Field(description="Whether its owner has listened, and says that it is who it is called.")
    samples: int = Field(description="How often it was saved, of those that are kept.")


class VoiceList(BaseModel):
    items: list[VoiceOut]
    total: int
    next: str | None


class VoiceQuery(PageQuery):
    search: str | None = Field(None, max_length=100, description="Part of the name or of the description.")


class VoicePatch(Request):
    """At least one of them."""

    name: str | None = Field(None, description=f"1 to {LONGEST_NAME} characters.")
    description: str | None = Field(None, max_length=LONGEST_DESCRIPTION)
    active: bool | None = None
    verified: bool | None = None

    @model_validator(mode="after")
    def _something(self) -> VoicePatch:
        if not self.model_dump(exclude_none=True):
            raise ValueError("say what is to change")
        return self


class VoiceMet(BaseModel):
    """A recording in which the voice was met."""

    recording_id: str
    title: str
    created_at: Moment
    label: str
    seconds: float = Field(description="How long its speaker talks there.")


class VoiceDetail(VoiceOut):
    """A voice with all that is known of it."""

    spread: float = Field(description="How far apart its samples are, cosine distance; 0 where all are alike.")
    talk_s: float = Field(description="How long it talks in all recordings it was met in.")
    recordings: list[VoiceMet] = Field(description="Newest first, 100 at most.")


class VoiceMerge(Request):
    into: str = Field(min_length=1, max_length=64, description="Id of the voice that stays.")


class Likely(BaseModel):
    """A voice that a speaker may have."""

    voice: VoiceOut
    confidence: float = Field(description="0 to 1; above 0.5 a speaker is named after it by itself.")


class LikelyList(BaseModel):
    items: list[Likely]


class VoiceChoice(Request):
    voice_id: str = Field(min_length=1, max_length=64)
