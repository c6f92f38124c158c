"""People and access as the rest of the server sees them: plain and frozen, free of the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True)
class User:
    """Somebody with an account. The password stays in the database."""

    id: str
    name: str
    """What one signs in with."""
    display_name: str
    created_at: datetime
    email: str | None = None
    administrator: bool = False
    disabled_at: datetime | None = None
    bio: str = ""
    avatar_at: datetime | None = None
    """When the picture was last changed; None where there is none."""
    preferences: Mapping[str, Any] = field(default_factory=dict)
    quota_bytes: int | None = None
    """Room for recordings and uploads, 0 for no limit; None: as the settings say."""


class Access(StrEnum):
    """Who may see and hear something, besides its owner."""

    PRIVATE = "private"
    SELECTED = "selected"
    """People named one by one."""
    GROUP = "group"
    """Everybody in some of the owner's groups."""
    FRIENDS = "friends"
    LINK = "link"
    """Friends, and whoever has the link."""
    PUBLIC = "public"


@dataclass(frozen=True, slots=True)
class AccessRule:
    """Who may hear one channel, stream or recording."""

    access: Access = Access.PRIVATE
    people: frozenset[str] = frozenset()
    """Ids of users, where access is for selected people."""
    groups: frozenset[str] = frozenset()
    """Ids of groups, where it is for groups."""
    link_number: int = 0
    """Counts how often the link was made anew."""
    locked: bool = False
    """Whether nobody new is let in."""


Thing = tuple[str, str]
"""Kind and id of something that a rule is about: a channel, stream or recording."""


@dataclass(frozen=True, slots=True)
class Sight:
    """Who looks at a list."""

    user: str
    links: frozenset[Thing] = frozenset()
    """What they have opened the link of."""

    def opened(self, kind: str) -> list[str]:
        """Ids of what they have opened of one kind."""
        return sorted(id_ for found, id_ in self.links if found == kind)


@dataclass(frozen=True, slots=True)
class Ban:
    """Somebody whom a channel's owner lets in no more."""

    user_id: str
    name: str
    """As people see it."""
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key for programs; what it proves itself with is kept as a fingerprint only."""

    id: str
    user_id: str
    name: str
    hint: str
    """How it begins, to tell keys apart."""
    scopes: tuple[str, ...]
    created_at: datetime
    used_at: datetime | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """One of a family: the tokens that a program which signed in once was given, one after another."""

    family: str
    user_id: str
    client: str
    """What the program calls itself."""
    scopes: tuple[str, ...]
    created_at: datetime
    """When the family began."""
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Circle:
    """Whom somebody knows and what they are kept out of: what decides who may hear them, and whom they may hear."""

    friends: frozenset[str] = frozenset()
    """Ids of users."""
    groups: frozenset[str] = frozenset()
    """Ids of groups that others have put this person in."""
    barred: frozenset[str] = frozenset()
    """Ids of users whom this person blocks, or who block this person."""
    bans: frozenset[str] = frozenset()
    """Ids of channels that let this person in no more."""


class Relation(StrEnum):
    """What somebody is to whoever looks."""

    NONE = "none"
    FRIEND = "friend"
    REQUESTED = "requested"
    """Has been asked to be a friend."""
    ASKS = "asks"
    """Asks to be a friend."""
    BLOCKED = "blocked"
    SELF = "self"


@dataclass(frozen=True, slots=True)
class Profile:
    """Somebody as another person sees them."""

    id: str
    name: str
    display_name: str
    bio: str
    avatar_at: datetime | None
    channel: str | None
    """Address of the first channel."""
    relation: Relation


class Asked(StrEnum):
    """What has become of a friend request."""

    SENT = "sent"
    PENDING = "pending"
    """It was sent before."""
    FRIENDS = "friends"
    """The other had asked too, so now they are friends."""
    ALREADY = "already"
    """They were friends before."""


@dataclass(frozen=True, slots=True)
class Group:
    """A named list of friends."""

    id: str
    owner: str
    name: str
    created_at: datetime
    members: tuple[str, ...] = ()
    """Ids of users."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that somebody is told; `data` names people and streams by id."""

    id: str
    user_id: str
    kind: str
    data: Mapping[str, Any]
    created_at: datetime
    read_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PushSubscription:
    """A browser that wants to be told while the page is closed (RFC 8030); its keys are those of RFC 8291."""

    id: str
    user_id: str
    endpoint: str
    keys: Mapping[str, str]
    created_at: datetime
