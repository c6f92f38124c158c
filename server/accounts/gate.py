"""The one gate: every route, every event topic and every command to the media host passes `authorise`."""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from enum import Enum, StrEnum

from server.errors import NotAllowed, NotAuthenticated, NotFound


class Role(StrEnum):
    """What kind of actor somebody is."""

    LOCAL = "local"
    """The person whose server this is. While there are no accounts, everybody who reaches the server."""
    NOBODY = "nobody"
    """Somebody who has not been let in."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something. `id` is the principal that owns channels, streams and recordings."""

    id: str
    name: str
    role: Role = Role.LOCAL


class Rule(Enum):
    """Who may do an action."""

    EVERYBODY = "everybody"
    MEMBER = "member"
    OWNER = "owner"


class Action(StrEnum):
    """Everything that can be done, by the name that routes declare."""

    VIEW_PAGE = "view-page"
    CHECK_HEALTH = "check-health"
    READ_METRICS = "read-metrics"
    READ_SELF = "read-self"
    READ_CONFIG = "read-config"
    LIST_CHANNELS = "list-channels"
    CREATE_CHANNEL = "create-channel"
    READ_CHANNEL = "read-channel"
    PUBLISH = "publish"
    LISTEN = "listen"
    LIST_STREAMS = "list-streams"
    READ_STREAM = "read-stream"
    CHANGE_STREAM = "change-stream"
    END_STREAM = "end-stream"
    LIST_RECORDINGS = "list-recordings"
    READ_RECORDING = "read-recording"
    CHANGE_RECORDING = "change-recording"
    DELETE_RECORDING = "delete-recording"
    SUBSCRIBE = "subscribe"
    CHECK_SOUND = "check-sound"
    READ_CAPTIONS = "read-captions"
    CHANGE_CAPTIONS = "change-captions"
    SAVE_VOICE = "save-voice"
    LIST_VOICES = "list-voices"
    CHANGE_VOICE = "change-voice"
    LIST_JOBS = "list-jobs"
    READ_JOB = "read-job"
    CANCEL_JOB = "cancel-job"


RULES: dict[Action, Rule] = {
    Action.VIEW_PAGE: Rule.EVERYBODY,
    Action.CHECK_HEALTH: Rule.EVERYBODY,
    Action.READ_METRICS: Rule.MEMBER,
    Action.READ_SELF: Rule.MEMBER,
    Action.READ_CONFIG: Rule.MEMBER,
    Action.LIST_CHANNELS: Rule.MEMBER,
    Action.CREATE_CHANNEL: Rule.MEMBER,
    Action.READ_CHANNEL: Rule.MEMBER,
    Action.PUBLISH: Rule.OWNER,
    Action.LISTEN: Rule.MEMBER,
    Action.LIST_STREAMS: Rule.MEMBER,
    Action.READ_STREAM: Rule.MEMBER,
    Action.CHANGE_STREAM: Rule.OWNER,
    Action.END_STREAM: Rule.OWNER,
    Action.LIST_RECORDINGS: Rule.MEMBER,
    Action.READ_RECORDING: Rule.MEMBER,
    Action.CHANGE_RECORDING: Rule.OWNER,
    Action.DELETE_RECORDING: Rule.OWNER,
    Action.SUBSCRIBE: Rule.MEMBER,
    Action.CHECK_SOUND: Rule.MEMBER,
    Action.READ_CAPTIONS: Rule.MEMBER,
    Action.CHANGE_CAPTIONS: Rule.OWNER,
    Action.SAVE_VOICE: Rule.OWNER,
    Action.LIST_VOICES: Rule.MEMBER,
    Action.CHANGE_VOICE: Rule.OWNER,
    Action.LIST_JOBS: Rule.MEMBER,
    Action.READ_JOB: Rule.OWNER,
    Action.CANCEL_JOB: Rule.OWNER,
}


@dataclass(frozen=True, slots=True)
class Resource:
    """What an action is done to. `owner` is None for things that belong to nobody, a list say."""

    kind: str
    id: str = ""
    owner: str | None = None


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


def authorise(actor: Actor, action: Action, resource: Resource) -> None:
    """Let `actor` do `action` to `resource`, or raise.

    NotAuthenticated: nobody has signed in. NotFound: the actor may not even know of the resource.
    NotAllowed: the actor may see it and may not do this.
    """
    rule = RULES.get(action)
    if rule is Rule.EVERYBODY:
        return
    if actor.role is not Role.LOCAL:
        raise NotAuthenticated("Sign in first.")
    if rule is Rule.MEMBER:
        return
    if rule is Rule.OWNER:
        if resource.owner == actor.id:
            return
        if resource.owner is None:
            raise NotFound(f"There is no such {resource.kind}.")
    raise NotAllowed("You may not do this.")
