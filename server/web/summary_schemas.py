"""What a recording is about, as JSON."""

from __future__ import annotations

from pydantic import BaseModel, Field

from server.web.schemas import Moment


class SpeakerTalkOut(BaseModel):
    """What one speaker said; where two talk at once it is the main one's."""

    label: str
    name: str = Field(description="As people see it: “Speaker 2” where nobody knows.")
    seconds: float
    share: float = Field(description="0 to 1, of all that anybody said.")
    words: int
    turns: int = Field(description="How often somebody else had spoken last.")


class TermOut(BaseModel):
    text: str
    count: int


class QuestionOut(BaseModel):
    start_s: float
    speaker: str | None
    text: str


class ActionOut(QuestionOut):
    """A sentence in which somebody may have taken something on."""

    rule: str = Field(
        description="Why it is here: promise, obligation, request, proposal, named as a task, or deadline."
    )


class SummaryTextOut(BaseModel):
    """Written by a language model, and to be marked so: it may be wrong."""

    model: str
    markdown: str
    made_at: Moment
    outdated: bool = Field(description="Whether captions have changed since.")


class SummaryOut(BaseModel):
    """Figures and findings by rules; a model's text where one was asked for."""

    duration_s: float
    words: int
    speakers: list[SpeakerTalkOut]
    terms: list[TermOut] = Field(description="What was said most often, without words that everybody uses.")
    questions: list[QuestionOut]
    actions: list[ActionOut]
    text: SummaryTextOut | None
    writable: bool = Field(description="Whether this server may ask a model for a text.")
