"""Tokens and keys, as JSON."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints, field_validator, model_validator

from server.accounts import Scope
from server.web.account_schemas import Line, Secret
from server.web.schemas import Moment, Request, Text, printable

Token = Annotated[str, StringConstraints(max_length=200)]
Scopes = Annotated[list[Scope], Field(min_length=1, max_length=len(Scope))]
LONGEST_DAYS = 3650


class TokenRequest(Request):
    """A name and a password, or the refresh token of before."""

    name: Line | None = Field(None, description="The name, or the e-mail address; with `password`.")
    password: Secret | None = None
    refresh_token: Token | None = Field(None, description="Instead of both; good once.")
    client: Annotated[str, StringConstraints(strip_whitespace=True, max_length=80)] = Field(
        "", description="What the program calls itself, in the list of programs that are signed in."
    )
    scopes: Scopes | None = Field(
        None, description="What the tokens are to be good for; read, listen, publish and write, when left out."
    )

    _client = field_validator("client")(printable)

    @model_validator(mode="after")
    def _one_of_two(self) -> TokenRequest:
        by_password = self.name is not None and self.password is not None
        if by_password == (self.refresh_token is not None) or (self.name is None) != (self.password is None):
            raise ValueError("send name and password, or refresh_token")
        if self.refresh_token is not None and self.scopes is not None:
            raise ValueError("scopes stay as they were when tokens are refreshed")
        return self


class TokenOut(BaseModel):
    """Shown once: the server keeps no tokens."""

    access_token: str = Field(description="For `Authorization: Bearer`.")
    token_type: str = "Bearer"  # noqa: S105 - the name of a scheme
    expires_in: int = Field(description="Seconds that the access token is good for.")
    refresh_token: str = Field(description="For the next pair; good once. Used twice, all tokens of this sign-in end.")
    scopes: list[Scope]
    name: str = Field(description="Whose they are.")


class RevokeRequest(Request):
    refresh_token: Token


class NewKey(Request):
    name: Text = Field(description="What it is for.")
    scopes: Scopes
    expires_days: Annotated[int, Field(ge=1, le=LONGEST_DAYS)] | None = Field(
        None, description="After so many days it opens nothing; never, when left out."
    )

    _name = field_validator("name")(printable)

    @field_validator("name")
    @classmethod
    def _short(cls, value: str) -> str:
        if len(value) > 80:
            raise ValueError("must have at most 80 characters")
        return value


class KeyOut(BaseModel):
    """An API key."""

    id: str
    name: str
    hint: str = Field(description="How it begins.")
    scopes: list[str]
    created_at: Moment
    used_at: Moment | None = Field(description="To a minute; null while it was never used.")
    expires_at: Moment | None


class KeyMade(KeyOut):
    """With its text, which is shown this once."""

    key: str


class KeyList(BaseModel):
    items: list[KeyOut]
    total: int
    next: str | None


class StreamKeyOut(BaseModel):
    """The key for OBS, FFmpeg and the like: good for going live, and for nothing else."""

    exists: bool
    hint: str = Field(description="How it begins; empty where there is none.")
    created_at: Moment | None
    whip_url: str = Field(description="Where to publish to with it, as Bearer token.")


class StreamKeyMade(StreamKeyOut):
    """With its text, which is shown this once."""

    key: str


class ProgramOut(BaseModel):
    """A program that is signed in with `clearcast login` or the like."""

    id: str
    client: str
    scopes: list[str]
    created_at: Moment
    expires_at: Moment = Field(description="Unless it is used before.")


class ProgramList(BaseModel):
    items: list[ProgramOut]
    total: int
    next: str | None = None
