"""Who may hear what and who listens, as JSON."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from server.store.access import MOST_GRANTS
from server.web.schemas import Moment, Request


class AccessIn(Request):
    """Who may hear a channel, a stream or a recording from now on."""

    access: Literal["private", "selected", "group", "friends", "link", "public"]
    people: list[str] = Field([], max_length=MOST_GRANTS, description="Ids, where `access` is `selected`.")
    groups: list[str] = Field([], max_length=MOST_GRANTS, description="Ids of own groups, where it is `group`.")
    locked: bool | None = Field(None, description="Whether nobody new is let in to listen; as it was when left out.")


class AccessOut(BaseModel):
    """Who may hear a channel, a stream or a recording."""

    access: Literal["private", "selected", "group", "friends", "link", "public"]
    people: list[str]
    groups: list[str]
    locked: bool
    link: str | None = Field(description="Path with the link that lets in whoever has it; null where there is none.")


class LinkIn(Request):
    key: str = Field(max_length=200, description="What follows `#link=` in the link.")


class Person(BaseModel):
    id: str
    display_name: str


class ListenerOut(BaseModel):
    """Somebody who listens."""

    peer: str = Field(description="Names the connection.")
    person: Person | None = Field(description="Null for somebody who has not signed in.")
    since: Moment


class ListenerList(BaseModel):
    items: list[ListenerOut]
    total: int
    next: str | None = None


class BanOut(BaseModel):
    """Somebody whom a channel's owner lets in no more."""

    person: Person
    since: Moment


class BanList(BaseModel):
    items: list[BanOut]
    total: int
    next: str | None = None
