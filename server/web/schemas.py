"""What goes in and out of the API, as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    field_validator,
    model_validator,
)

from server.clock import iso
from server.rooms.messages import MAX_TITLE
from server.store.ids import SLUG

Moment = Annotated[datetime, PlainSerializer(iso, return_type=str)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TITLE)]
Live = Literal["active", "bypassed"]
MAX_VOCABULARY = 1_000
"""Characters of the names and jargon that a stream is told to expect."""
MAX_SPEAKERS = 20
Strength = Annotated[float, Field(ge=0.0, le=1.0)]


def printable(text: str) -> str:
    """Refuses what no title contains: control characters, and halves of characters that JSON can smuggle in."""
    if any(ord(letter) < 32 or 0xD800 <= ord(letter) < 0xE000 or ord(letter) == 127 for letter in text):
        raise ValueError("must not contain control characters")
    return text


class Request(BaseModel):
    """A body or a query: unknown names are mistakes."""

    model_config = ConfigDict(extra="forbid")


class IceServerOut(BaseModel):
    """A STUN or TURN server, as RTCPeerConnection takes it."""

    # What is not there must be left out: null would become the text "null".

    urls: str = Field(description="An address, `stun:host:port` or `turn:host:port`.")
    username: str | None = Field(None, exclude_if=lambda value: value is None, description="Left out where none.")
    credential: str | None = Field(None, exclude_if=lambda value: value is None, description="Left out where none.")


class DenoiseOut(BaseModel):
    """The denoiser of this machine."""

    state: str = Field(description="off, starting, ready or degraded.")
    engine: str | None
    device: str
    detail: str = Field(description="What a person should know; empty while all is well.")
    runtime: str = Field("", description="How the engine is run; empty while unknown.")
    streams_realtime: int | None = Field(None, description="Streams measured to keep their deadline on this machine.")


class CaptionsOut(BaseModel):
    """Who writes down what is said on this machine."""

    state: str = Field(description="off, starting, ready or degraded.")
    recogniser: str | None = Field(description="The model that hears words; null where none does.")
    diarizer: str | None = Field(description="The model that tells speakers apart; null where none does.")
    translates: bool = Field(description="Whether captions can be in English, whatever is spoken.")
    detail: str = Field(description="What a person should know; empty while all is well.")


class Config(BaseModel):
    """What a page must know before it goes live."""

    version: str
    ice_servers: list[IceServerOut]
    denoise: DenoiseOut
    captions: CaptionsOut
    record_default: bool
    denoise_strength_default: float = Field(description="What a stream begins with where nobody chose.")
    post_filter_default: bool
    max_title: int
    secure: bool = Field(description="Whether the server itself speaks TLS.")
    reconnect_s: int
    chat: bool = Field(description="Whether people may write beside a stream.")


class Owner(BaseModel):
    """Whose it is."""

    id: str
    display_name: str


OwnAccess = Annotated[
    Literal["private", "selected", "group", "friends", "link", "public"] | None,
    Field(description="Who may hear it; null for everybody but its owner."),
]


class StreamChannel(BaseModel):
    id: str
    slug: str
    name: str


class StreamDenoise(BaseModel):
    mode: str = Field(description="absent, active, bypassed or music.")
    engine: str | None
    state: str = Field(description="ok, starting, degraded or off.")
    detail: str
    strength: float = Field(1.0, description="0, the original, to 1, only the voice.")
    post_filter: bool = False


class StreamRecording(BaseModel):
    on: bool
    id: str | None
    detail: str


class StreamCaptions(BaseModel):
    state: str = Field(description="off, starting, ok or degraded.")
    detail: str = Field(description="What a person should know; empty while all is well.")
    language: str | None = Field(description="As asked for or as heard; null while nobody knows.")
    off_record: bool = Field(description="Whether audio goes out just now and nothing is written or kept.")


class StreamOut(BaseModel):
    """One broadcast."""

    id: str
    channel: StreamChannel
    host: str
    title: str
    state: str = Field(description="connecting, live, reconnecting or ended.")
    started_at: Moment
    ended_at: Moment | None
    end_reason: str
    duration_s: float
    listeners: int
    listeners_peak: int
    reconnect_by: Moment | None
    denoise: StreamDenoise
    recording: StreamRecording
    captions: StreamCaptions
    sources: list[str]
    owner: Owner
    access: OwnAccess = None
    you_own: bool = Field(description="Left out of events, which are the same for everybody.")


class ChannelOut(BaseModel):
    """The lasting address of a person's broadcasts."""

    id: str
    slug: str
    name: str
    host: str
    whip_url: str
    whep_url: str
    listen_path: str
    owner: Owner
    access: OwnAccess = None
    stream: StreamOut | None


class ChannelList(BaseModel):
    items: list[ChannelOut]
    total: int
    next: str | None


class StreamList(BaseModel):
    items: list[StreamOut]
    total: int
    next: str | None


class PageQuery(Request):
    limit: int = Field(50, ge=1, le=100, description="Most items of a page, 1 to 100.")
    cursor: str | None = Field(None, max_length=200, description="`next` of the page before.")


class OwnedQuery(PageQuery):
    owner: str | None = Field(None, max_length=64, description="Only what belongs to this person, by id.")


class StreamQuery(OwnedQuery):
    state: Literal["live"] | None = Field(None, description="`live` for streams that are live or reconnecting.")


class NewChannel(Request):
    name: Text
    slug: str | None = Field(None, description="Letters a to z, digits and hyphens; made from the name when left out.")

    _name = field_validator("name")(printable)

    @field_validator("slug")
    @classmethod
    def _slug(cls, value: str | None) -> str | None:
        if value is not None and not SLUG.fullmatch(value):
            raise ValueError("must be 1 to 40 letters a to z, digits and hyphens, with no hyphen at either end")
        return value


class StreamPatch(Request):
    title: Text | None = None
    denoise: Live | None = None
    denoise_strength: Strength | None = Field(None, description="0, the original, to 1, only the voice.")
    post_filter: bool | None = Field(None, description="Whether what is left of the noise is attenuated a bit more.")
    recording: bool | None = None
    off_record: bool | None = Field(None, description="Whether audio goes out and nothing is written or kept.")

    _title = field_validator("title")(lambda value: value if value is None else printable(value))


class PublishQuery(BaseModel):
    """Publishing software appends parameters of its own; they are ignored."""

    title: Text | None = Field(None, description="Title of a new stream.")
    access: Literal["private", "friends", "link", "public"] | None = Field(
        None, description="Who may hear a new stream and its recording; as the channel says when left out."
    )
    denoise: Literal["active", "bypassed", "absent", "music"] | None = Field(
        None,
        description="`active` (when left out), `bypassed` to begin with the original sound, "
        "`absent` for the least delay, `music` for your own packets, in stereo and untouched; "
        "the last two cannot be changed while live.",
    )
    denoise_strength: Strength | None = Field(None, description="0, the original, to 1, only the voice.")
    post_filter: bool | None = Field(None, description="Whether what is left of the noise is attenuated a bit more.")
    record: bool | None = Field(None, description="Whether it is recorded; the server's setting when left out.")
    captions: bool = Field(True, description="Whether what is said is written down.")
    language: Annotated[str, StringConstraints(pattern="^[A-Za-z-]{2,12}$")] | None = Field(
        None, description="What is spoken, `en` say; heard from the talk when left out."
    )
    translate: bool = Field(False, description="Whether captions are in English, whatever is spoken.")
    vocabulary: Annotated[str, StringConstraints(strip_whitespace=True, max_length=MAX_VOCABULARY)] = Field(
        "",
        description="Names and jargon that are likely, with commas between, beside those of the server's setting: "
        "at most 1,000 characters.",
    )
    speakers: int | None = Field(None, ge=1, le=MAX_SPEAKERS, description="How many are expected to speak.")
    min_speakers: int | None = Field(
        None,
        ge=1,
        le=MAX_SPEAKERS,
        description="How many at least, instead: until so many were heard, less of a difference makes a new speaker.",
    )
    max_speakers: int | None = Field(
        None, ge=1, le=MAX_SPEAKERS, description="How many at most, instead: nobody is told apart beyond them."
    )

    _title = field_validator("title")(lambda value: value if value is None else printable(value))
    _vocabulary = field_validator("vocabulary")(printable)

    @model_validator(mode="after")
    def _speakers_make_sense(self) -> PublishQuery:
        if self.speakers is not None and (self.min_speakers or self.max_speakers):
            raise ValueError("speakers excludes min_speakers and max_speakers")
        if self.min_speakers and self.max_speakers and self.min_speakers > self.max_speakers:
            raise ValueError("min_speakers is more than max_speakers")
        return self


class Component(BaseModel):
    state: str = Field(description="ok, off, starting, degraded or failed.")
    detail: str = ""


class Health(BaseModel):
    """`ok`, `degraded` (works, with something missing) or `failed`."""

    status: str
    components: dict[str, Component] = {}
