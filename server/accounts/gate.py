"""The one gate: every route, every event and every command to the media host passes `authorise`."""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from server.accounts.actions import RULES, SCOPES, Action, Rule, Scope
from server.errors import ClearcastError, NotAllowed, NotAuthenticated, NotFound
from server.store.people_records import Access


class Role(StrEnum):
    """What kind of actor somebody is."""

    LOCAL = "local"
    """The person whose server this is, where it runs without accounts: everybody who reaches it."""
    NOBODY = "nobody"
    """Somebody who has not signed in."""
    MEMBER = "member"
    ADMINISTRATOR = "administrator"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something. `id` is the principal that owns channels, streams and recordings; empty for nobody."""

    id: str
    name: str
    role: Role = Role.LOCAL
    scopes: frozenset[Scope] | None = None
    """What the token may be used for; None for a person in a browser, who may do all that is theirs to do."""
    credential: str = ""
    """Id of the session, key or family of tokens, for the audit log and for revoking it."""
    links: frozenset[str] = frozenset()
    """Links that the actor has opened."""
    until: datetime | None = None
    """When the credential ends by itself, where it says so."""

    @property
    def administers(self) -> bool:
        return self.role in (Role.LOCAL, Role.ADMINISTRATOR)


NOBODY = Actor("", "", Role.NOBODY)


@dataclass(frozen=True, slots=True)
class Standing:
    """How an actor stands to what an action is done to."""

    friend: bool = False
    """Of its owner."""
    selected: bool = False
    """Named one by one."""
    member: bool = False
    """Of a group that may."""
    linked: bool = False
    """Has opened its link."""
    barred: bool = False
    """Blocked by its owner, or blocking its owner, or banned from the channel."""


STRANGER = Standing()


@dataclass(frozen=True, slots=True)
class Resource:
    """What an action is done to. `owner` is None for things that belong to nobody, a list say.

    `access` is None for what nobody but its owner ever sees: keys, jobs, voices.
    """

    kind: str
    id: str = ""
    owner: str | None = None
    access: Access | None = None
    standing: Standing = STRANGER
    """Of the actor who is asked about."""
    locked: bool = False
    """Whether nobody new is let in."""


LOCAL_ID = "local"


def local_actor() -> Actor:
    """The one local user, named after the account that the server runs under where that is a person's."""
    return Actor(LOCAL_ID, host_name(), Role.LOCAL)


def host_name() -> str:
    """What listeners call the person at this machine; "Studio" where the account is not a person's."""
    try:
        login = getpass.getuser()
    except (OSError, KeyError):
        login = ""
    name = login.split("@")[0].split("\\")[-1]
    if not name.isalpha() or name in ("root", "nobody", "daemon", "app", "clearcast", "user", "admin", "runner"):
        return "Studio"
    return name.capitalize()


def may_see(actor: Actor, resource: Resource) -> bool:
    """Whether `actor` may know of `resource`."""
    standing = resource.standing
    if resource.owner is not None and resource.owner == actor.id:
        return True
    if resource.access is None or standing.barred:
        return False
    return {
        Access.PRIVATE: False,
        Access.SELECTED: standing.selected,
        Access.GROUP: standing.member,
        Access.FRIENDS: standing.friend,
        Access.LINK: standing.friend or standing.linked,
        Access.PUBLIC: True,
    }[resource.access]


def admit(actor: Actor, action: Action) -> None:
    """The half of `authorise` that asks about nothing in particular, so that whoever it stops learns of nothing.

    Raises NotAuthenticated or NotAllowed.
    """
    rule = RULES[action]
    scoped = rule is not Rule.EVERYBODY or action is Action.SUBSCRIBE  # a key for going live hears of nothing
    if scoped and actor.scopes is not None and SCOPES[action] not in actor.scopes:
        raise NotAllowed(f"This token is not for that: it lacks “{SCOPES[action]}”.", code="scope")
    if rule is Rule.EVERYBODY:
        return
    if actor.role is Role.NOBODY and rule is not Rule.VIEWER:
        raise NotAuthenticated("Sign in first.")
    if rule is Rule.ADMINISTRATOR and not actor.administers:
        raise NotAllowed("Only administrators may do this.")


def authorise(actor: Actor, action: Action, resource: Resource) -> None:
    """Let `actor` do `action` to `resource`, or raise.

    NotAuthenticated: nobody has signed in. NotFound: the actor may not even know of the resource, and it is told as
    if it were not there. NotAllowed: the actor may see it and may not do this.
    """
    admit(actor, action)
    rule = RULES[action]
    if rule in (Rule.EVERYBODY, Rule.MEMBER, Rule.ADMINISTRATOR):
        return
    owns = resource.owner is not None and resource.owner == actor.id
    if owns or (rule is Rule.OWNER_OR_ADMINISTRATOR and actor.administers and resource.owner is not None):
        return
    if not may_see(actor, resource):
        raise unseen(actor, resource)
    if rule in (Rule.OWNER, Rule.OWNER_OR_ADMINISTRATOR):
        raise NotAllowed("You may not do this.")
    if action is Action.LISTEN and resource.locked:
        raise NotAllowed("Nobody new is let in just now.", code="locked")


def unseen(actor: Actor, resource: Resource) -> ClearcastError:
    """What is answered where there is nothing, or nothing that `actor` may know of: the same."""
    if actor.role is Role.NOBODY:
        return NotAuthenticated("Sign in first.")
    return NotFound(f"There is no such {resource.kind}.", code=f"unknown-{resource.kind}")
