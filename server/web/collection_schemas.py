"""Collections, as JSON."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints, field_validator, model_validator

from server.store.collections import MAX_ITEMS
from server.web.recording_schemas import Description, RecordingOut
from server.web.schemas import Moment, OwnAccess, Owner, Request, Text, printable


class CollectionOut(BaseModel):
    """Recordings in an order that somebody gave them."""

    id: str
    title: str
    description: str
    created_at: Moment
    count: int = Field(description="How many recordings of it one may see.")
    owner: Owner
    access: OwnAccess = None


class CollectionDetail(CollectionOut):
    """A collection with what one may see of it."""

    recordings: list[RecordingOut]


class CollectionList(BaseModel):
    items: list[CollectionOut]
    total: int
    next: str | None


class NewCollection(Request):
    title: Text
    description: Description = ""

    _title = field_validator("title")(printable)


class CollectionPatch(Request):
    """What is left out stays as it is."""

    title: Text | None = None
    description: Description | None = None

    _title = field_validator("title")(lambda value: value if value is None else printable(value))

    @model_validator(mode="after")
    def _something(self) -> CollectionPatch:
        if self.title is None and self.description is None:
            raise ValueError("title or description must be there")
        return self


class CollectionItems(Request):
    ids: list[Annotated[str, StringConstraints(max_length=64)]] = Field(
        max_length=MAX_ITEMS, description="Recordings in their order, by id."
    )
