"""What administrators see, as JSON."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, Field, StringConstraints, model_validator

from server.web.caption_schemas import JobOut
from server.web.schemas import Component, Moment, PageQuery, Request, StreamOut

Word = Annotated[str, StringConstraints(strip_whitespace=True, max_length=80)]


class UserOut(BaseModel):
    """An account, as administrators see it."""

    id: str
    name: str
    display_name: str
    email: str | None
    administrator: bool
    disabled_at: Moment | None
    created_at: Moment
    quota_bytes: int | None = Field(description="Room for recordings; 0 for no limit, null as the settings say.")


class UserList(BaseModel):
    items: list[UserOut]
    total: int
    next: str | None


class UserQuery(PageQuery):
    search: Word = Field("", description="A part of the name or of the e-mail address.")


class UserPatch(Request):
    """One of them at a time."""

    administrator: bool | None = None
    disabled: bool | None = None
    quota_gb: float | None = Field(
        None, ge=0, le=1e6, description="Room for recordings and uploads; 0 for no limit, null as the settings say."
    )

    @model_validator(mode="after")
    def _something(self) -> UserPatch:
        given = (self.administrator is not None, self.disabled is not None, "quota_gb" in self.model_fields_set)
        if sum(given) != 1:
            raise ValueError("one of administrator, disabled and quota_gb must be there, and no more")
        return self


class ResetPassword(BaseModel):
    password: str = Field(description="Shown once.")


class StorageUse(BaseModel):
    owner: str
    name: str = Field(description="What the owner is called; empty where the account is gone.")
    recordings: int
    bytes: int


class Storage(BaseModel):
    """Where the room goes."""

    free_bytes: int
    total_bytes: int
    recordings: int
    bytes: int
    owners: list[StorageUse] = Field(description="Those whose recordings take most room, at most 100.")


class AuditOut(BaseModel):
    """Who did what, to what, from where, and what came of it."""

    id: str
    at: Moment
    actor_id: str = Field(description="Empty where nobody had signed in.")
    actor_name: str
    action: str
    kind: str
    subject: str
    address: str
    result: str = Field(description="ok, or the code of the error.")
    detail: str


class AuditList(BaseModel):
    items: list[AuditOut]
    total: int
    next: str | None


class AuditFilter(Request):
    actor: Word | None = Field(None, description="Id of who acted.")
    action: Word | None = Field(None, description="What was done, like `sign-in`.")
    since: AwareDatetime | None = Field(None, description="From this moment on.")


class AuditQuery(PageQuery, AuditFilter):
    """A part of the audit log."""


class DeliveryOut(BaseModel):
    """An event for another server, and what came of it."""

    id: str
    server: str = Field(description="The other server's name; the rest of its address may be secret.")
    event: str
    state: str = Field(description="waiting, delivered or failed.")
    attempts: int
    status: int | None = Field(description="What the other server answered last.")
    error: str
    created_at: Moment
    due_at: Moment = Field(description="When it is tried next, while it waits.")


class DeliveryList(BaseModel):
    items: list[DeliveryOut]
    total: int
    next: str | None


class AllJobs(BaseModel):
    items: list[JobOut]
    total: int
    next: str | None


class LiveList(BaseModel):
    """Everything that is live, whoever may hear it."""

    items: list[StreamOut]
    total: int


class SettingOut(BaseModel):
    name: str = Field(description="Name of the environment variable.")
    value: Any = Field(description="What is in force; secrets are masked.")
    default: bool = Field(description="Whether that is the default.")
    description: str


class Overview(BaseModel):
    """How the server is, and what it runs with."""

    version: str
    started_at: Moment
    components: dict[str, Component]
    settings: list[SettingOut]
