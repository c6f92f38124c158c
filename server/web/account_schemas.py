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


class ProfilePatch(Request):
    display_name: Line | None = Field(None, description="What others see, 1 to 80 characters.")
    bio: Annotated[str, StringConstraints(max_length=4000)] | None = Field(None, description="At most 1,000.")
    preferences: Preferences | None = Field(None, description="Those that are left out stay as they are.")


class StorageOut(BaseModel):
    """What one takes of the room that one has."""

    used_bytes: int = Field(description="Recordings, those in the bin and those that are going on too, and uploads.")
    quota_bytes: int | None = Field(description="Null where there is no limit.")
    bin_bytes: int = Field(description="Of the used ones: what comes back when the bin is emptied.")
    uploads_bytes: int = Field(description="Of the used ones: files that are not recordings yet.")


class NewPassword(Request):
    current: Secret
    new: Secret = Field(description="8 to 256 characters.")


class NewEmail(Request):
    password: Secret
    email: Line | None = Field(description="null for none.")


class Confirmation(Request):
    password: Secret


class SessionOut(BaseModel):
    """A browser that is signed in."""

    id: str
    agent: str = Field(description="What the browser says of itself.")
    address: str
    created_at: Moment
    seen_at: Moment
    expires_at: Moment
    current: bool = Field(description="Whether it is the one that asks.")


class SessionList(BaseModel):
    items: list[SessionOut]
    total: int
    next: str | None = None


class NewInvitation(Request):
    note: Annotated[str, StringConstraints(max_length=1000)] = Field("", description="Whom it is for; 80 characters.")
    days: int = Field(7, ge=1, le=30, description="How long it is good.")


class InvitationOut(BaseModel):
    """A link with which one person may register."""

    id: str
    note: str
    created_at: Moment
    expires_at: Moment
    used_at: Moment | None
    used_by: str | None = Field(description="Id of whoever came with it.")
    state: str = Field(description="open, used or expired.")


class InvitationMade(InvitationOut):
    link: str = Field(description="The address after the host. Told once.")


class InvitationList(BaseModel):
    items: list[InvitationOut]
    total: int
    next: str | None = None


class AvatarQuery(Request):
    v: int | None = Field(None, description="Changes with the picture.")


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
