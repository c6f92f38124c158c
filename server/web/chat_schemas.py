"""Chat, as JSON."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, model_validator

from server.recordings.chat import LONGEST_TEXT, REACTIONS
from server.store.chat_records import ChatMessage
from server.web.schemas import Moment, PageQuery, Request, printable


def _one_line(text: str) -> str:
    return printable(" ".join(text.split()))


ChatText = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_TEXT),
    AfterValidator(_one_line),
]


class ChatOut(BaseModel):
    """What somebody wrote beside a stream, or how they reacted."""

    id: str
    at: int = Field(description="Stream time, samples at 48 kHz.")
    user: str | None = Field(description="Id of the writer; null where the account is gone.")
    name: str = Field(description="What the writer was called then.")
    kind: Literal["text", "reaction"]
    text: str = Field(description="Plain text, to be shown as it is.")
    created_at: Moment
    kept: bool = Field(description="Whether it is kept: not what was written off the record.")


class ChatList(BaseModel):
    """Part of a chat, oldest first."""

    items: list[ChatOut]
    total: int
    next: str | None
    open: bool = Field(description="Whether people may write, while the stream is live.")


class ChatQuery(PageQuery):
    """Which part of a chat."""


class ChatIn(Request):
    text: ChatText | None = Field(None, description=f"1 to {LONGEST_TEXT} characters.")
    reaction: Literal[REACTIONS] | None = None  # type: ignore[valid-type]

    @model_validator(mode="after")
    def _one(self) -> ChatIn:
        if (self.text is None) == (self.reaction is None):
            raise ValueError("text or reaction must be there, and not both")
        return self


class ChatSwitch(Request):
    open: bool


def shown(message: ChatMessage) -> ChatOut:
    """A message as the API and events tell it."""
    return ChatOut(
        id=message.id,
        at=message.at,
        user=message.user_id,
        name=message.name,
        kind=message.kind.value,
        text=message.text,
        created_at=message.created_at,
        kept=message.number > 0,
    )


def told(message: ChatMessage) -> dict[str, Any]:
    """The same, as the data of an event."""
    return shown(message).model_dump(mode="json")
