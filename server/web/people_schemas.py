"""People who know each other, as JSON."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints, field_validator

from server.web.schemas import Moment, Request, printable

Id = Annotated[str, StringConstraints(pattern="^[A-Za-z0-9_-]{1,64}$")]
GroupName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]


class LiveOut(BaseModel):
    """A stream that is live."""

    slug: str = Field(description="Address of its channel.")
    stream_id: str
    title: str


class FaceOut(BaseModel):
    """Who somebody is."""

    id: str
    name: str = Field(description="What they sign in with.")
    display_name: str
    avatar: str | None = Field(description="Address of the picture; null where there is none.")


class PersonOut(FaceOut):
    """Somebody as another person sees them."""

    bio: str
    channel: str | None = Field(description="Address of the channel that they began with.")
    relation: str = Field(description="none, friend, requested, asks, blocked or self.")
    presence: str | None = Field(description="offline, online, listening or live; null for who is no friend.")
    live: LiveOut | None = Field(description="What they publish just now, where one may hear it.")


class PersonList(BaseModel):
    items: list[PersonOut]
    total: int
    next: str | None = None


class RequestsOut(BaseModel):
    """Requests without an answer, the newest first."""

    received: list[PersonOut]
    sent: list[PersonOut]


class FriendsOut(BaseModel):
    """What a page that shows friends begins with."""

    items: list[PersonOut]
    requests: RequestsOut


class GroupOut(BaseModel):
    """A named list of friends."""

    id: str
    name: str
    members: list[str] = Field(description="Ids of people.")
    created_at: Moment


class GroupList(BaseModel):
    items: list[GroupOut]
    total: int
    next: str | None = None


class SearchQuery(Request):
    search: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)] = Field(
        description="How any of a person's names begins."
    )


class NewRequest(Request):
    to: Id = Field(description="Whom to ask.")


class GroupBody(Request):
    name: GroupName

    _name = field_validator("name")(printable)


class NoticeData(BaseModel):
    """What a notice is about."""

    person: FaceOut
    slug: str | None = Field(None, description="Of a stream: address of its channel.")
    stream_id: str | None = None
    title: str | None = None


class NoticeOut(BaseModel):
    """Something that one is told."""

    id: str
    kind: str = Field(description="friend_request, friend_accepted or friend_live.")
    data: NoticeData
    created_at: Moment
    read_at: Moment | None = None


class NoticeList(BaseModel):
    items: list[NoticeOut]
    total: int
    unread: int
    next: str | None = None


class ReadBody(Request):
    up_to: Id = Field(description="Id of the newest notice that was seen.")


class PushKeys(Request):
    """A browser's keys (RFC 8291)."""

    p256dh: Annotated[str, StringConstraints(max_length=200)]
    auth: Annotated[str, StringConstraints(max_length=100)]


class PushBody(Request):
    """A subscription, as `PushSubscription.toJSON()` gives it."""

    endpoint: Annotated[str, StringConstraints(max_length=1000)]
    keys: PushKeys
    expiration_time: float | None = Field(None, alias="expirationTime")


class PushQuery(Request):
    endpoint: Annotated[str, StringConstraints(max_length=1000)] | None = Field(
        None, description="Of one browser; all of one's browsers when left out."
    )


class PushOut(BaseModel):
    """Messages to browsers whose page is closed."""

    public_key: str | None = Field(description="What a browser subscribes with; null where this server sends none.")
    browsers: int = Field(description="How many of one's browsers are told, once one's preference `push` is on.")
