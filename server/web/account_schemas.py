"""People and their accounts, as JSON."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints, field_validator

from server.store.people_records import Access
from server.web.schemas import MAX_VOCABULARY, Moment, Request, Strength, printable

Secret = Annotated[str, StringConstraints(max_length=1024)]
Line = Annotated[str, StringConstraints(max_length=1000)]


class Preferences(Request):
    """What somebody's streams begin with, and what they are told of; what is left out is as the server has it."""

    access: Access = Field(Access.FRIENDS, description="Who may hear what is new.")
    language: Annotated[str, StringConstraints(pattern="^[A-Za-z-]{2,12}$")] | None = None
    denoise: Literal["active", "bypassed", "absent", "music"] | None = None
    denoise_strength: Strength | None = None
    captions: bool | None = None
    recording: bool | None = None
    vocabulary: Annotated[str, StringConstraints(strip_whitespace=True, max_length=MAX_VOCABULARY)] = ""
    notify_live: bool = Field(True, description="Whether to be told that a friend went live.")
    push: bool = Field(False, description="Whether to be told while the page is closed, through the browser's vendor.")

    _vocabulary = field_validator("vocabulary")(printable)


class Me(BaseModel):
    """Who the page belongs to."""

    id: str
    name: str = Field(description="What one signs in with; the local user's name where there are no accounts.")
    channel: str = Field(description="Address of the channel that this person publishes on by default.")
    display_name: str
    email: str | None = None
    administrator: bool
    bio: str = ""
    avatar: str | None = Field(None, description="Address of the picture.")
    preferences: Preferences = Preferences()
    created_at: Moment | None = None
    role: str = Field(description="local, member or administrator.")


class AuthOut(BaseModel):
    """What somebody who has not signed in may do about it."""

    accounts: bool = Field(description="Whether people sign in here at all.")
    registration: str = Field(description="open, invite or closed.")
    first: bool = Field(description="Whether there is no account yet.")
    signed_in: bool


class NewAccount(Request):
    name: Line = Field(description="What one signs in with: 2 to 40 letters and digits of any script.")
    password: Secret = Field(description="8 to 256 characters.")
    display_name: Line = Field("", description="What others see; the name, where it is left out.")
    email: Line | None = None


class Registration(NewAccount):
    invitation: Annotated[str, StringConstraints(max_length=200)] | None = None


class FirstRegistration(NewAccount):
    token: Annotated[str, StringConstraints(max_length=200)] = Field(
        "", description="From the link that the terminal shows; not needed on the server's own machine."
    )


class SignIn(Request):
    name: Line = Field(description="The name, or the e-mail address.")
    password: Secret
