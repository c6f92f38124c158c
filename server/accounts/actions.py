"""Everything that can be done, by the names that routes declare; who may, and what a token needs for it."""

from __future__ import annotations

from enum import Enum, StrEnum


class Rule(Enum):
    """Who may do an action."""

    EVERYBODY = "everybody"
    VIEWER = "viewer"
    """Whoever the thing's access lets in: for something public, those who have not signed in too."""
    GUEST = "guest"
    """The same, of those who have signed in."""
    MEMBER = "member"
    """Everybody who has signed in."""
    OWNER = "owner"
    OWNER_OR_ADMINISTRATOR = "owner or administrator"
    ADMINISTRATOR = "administrator"


class Scope(StrEnum):
    """What a token may be used for."""

    READ = "read"
    """See what its owner sees, and follow events."""
    LISTEN = "listen"
    PUBLISH = "publish"
    """Go live on its owner's channels, and end what is live there."""
    WRITE = "write"
    """Change what is its owner's: streams, captions, recordings, friends, chat."""
    ACCOUNT = "account"
    """Change the account itself and its credentials. Given to people in browsers only."""
    ADMINISTER = "administer"


class Action(StrEnum):
    """Everything that can be done."""

    VIEW_PAGE = "view-page"
    CHECK_HEALTH = "check-health"
    SIGN_IN = "sign-in"
    READ_METRICS = "read-metrics"
    READ_SELF = "read-self"
    READ_CONFIG = "read-config"
    LIST_CHANNELS = "list-channels"
    CREATE_CHANNEL = "create-channel"
    READ_CHANNEL = "read-channel"
    CHANGE_CHANNEL = "change-channel"
    PUBLISH = "publish"
    LISTEN = "listen"
    LIST_STREAMS = "list-streams"
    READ_STREAM = "read-stream"
    CHANGE_STREAM = "change-stream"
    END_STREAM = "end-stream"
    CHANGE_ACCESS = "change-access"
    OPEN_LINK = "open-link"
    READ_AUDIENCE = "read-audience"
    REMOVE_LISTENER = "remove-listener"
    LIST_RECORDINGS = "list-recordings"
    READ_RECORDING = "read-recording"
    CHANGE_RECORDING = "change-recording"
    DELETE_RECORDING = "delete-recording"
    LIST_COLLECTIONS = "list-collections"
    CREATE_COLLECTION = "create-collection"
    READ_COLLECTION = "read-collection"
    CHANGE_COLLECTION = "change-collection"
    SUBSCRIBE = "subscribe"
    CHECK_SOUND = "check-sound"
    READ_CAPTIONS = "read-captions"
    CHANGE_CAPTIONS = "change-captions"
    SAVE_VOICE = "save-voice"
    CREATE_VOICE = "create-voice"
    LIST_VOICES = "list-voices"
    READ_VOICE = "read-voice"
    CHANGE_VOICE = "change-voice"
    LIST_JOBS = "list-jobs"
    READ_JOB = "read-job"
    CANCEL_JOB = "cancel-job"
    RETRY_JOB = "retry-job"
    LIST_UPLOADS = "list-uploads"
    UPLOAD = "upload"
    READ_UPLOAD = "read-upload"
    CHANGE_UPLOAD = "change-upload"
    READ_CHAT = "read-chat"
    WRITE_CHAT = "write-chat"
    MODERATE_CHAT = "moderate-chat"
    CHANGE_ACCOUNT = "change-account"
    CHANGE_PROFILE = "change-profile"
    LIST_PEOPLE = "list-people"
    READ_PERSON = "read-person"
    CHANGE_FRIENDS = "change-friends"
    CHANGE_GROUPS = "change-groups"
    READ_NOTIFICATIONS = "read-notifications"
    INVITE = "invite"
    ADMINISTER = "administer"


RULES: dict[Action, Rule] = {
    Action.VIEW_PAGE: Rule.EVERYBODY,
    Action.CHECK_HEALTH: Rule.EVERYBODY,
    Action.SIGN_IN: Rule.EVERYBODY,
    Action.READ_METRICS: Rule.ADMINISTRATOR,
    Action.READ_SELF: Rule.MEMBER,
    Action.READ_CONFIG: Rule.EVERYBODY,
    Action.LIST_CHANNELS: Rule.MEMBER,
    Action.CREATE_CHANNEL: Rule.MEMBER,
    Action.READ_CHANNEL: Rule.VIEWER,
    Action.CHANGE_CHANNEL: Rule.OWNER,
    Action.PUBLISH: Rule.OWNER,
    Action.LISTEN: Rule.VIEWER,
    Action.LIST_STREAMS: Rule.MEMBER,
    Action.READ_STREAM: Rule.VIEWER,
    Action.CHANGE_STREAM: Rule.OWNER,
    Action.END_STREAM: Rule.OWNER_OR_ADMINISTRATOR,
    Action.CHANGE_ACCESS: Rule.OWNER,
    Action.OPEN_LINK: Rule.EVERYBODY,
    Action.READ_AUDIENCE: Rule.OWNER,
    Action.REMOVE_LISTENER: Rule.OWNER,
    Action.LIST_RECORDINGS: Rule.MEMBER,
    Action.READ_RECORDING: Rule.VIEWER,
    Action.CHANGE_RECORDING: Rule.OWNER,
    Action.DELETE_RECORDING: Rule.OWNER_OR_ADMINISTRATOR,
    Action.LIST_COLLECTIONS: Rule.MEMBER,
    Action.CREATE_COLLECTION: Rule.MEMBER,
    Action.READ_COLLECTION: Rule.VIEWER,
    Action.CHANGE_COLLECTION: Rule.OWNER,
    Action.SUBSCRIBE: Rule.EVERYBODY,
    Action.CHECK_SOUND: Rule.MEMBER,
    Action.READ_CAPTIONS: Rule.VIEWER,
    Action.CHANGE_CAPTIONS: Rule.OWNER,
    Action.SAVE_VOICE: Rule.OWNER,
    Action.CREATE_VOICE: Rule.MEMBER,
    Action.LIST_VOICES: Rule.MEMBER,
    Action.READ_VOICE: Rule.OWNER,
    Action.CHANGE_VOICE: Rule.OWNER,
    Action.LIST_JOBS: Rule.MEMBER,
    Action.READ_JOB: Rule.OWNER,
    Action.CANCEL_JOB: Rule.OWNER_OR_ADMINISTRATOR,
    Action.RETRY_JOB: Rule.OWNER_OR_ADMINISTRATOR,
    Action.LIST_UPLOADS: Rule.MEMBER,
    Action.UPLOAD: Rule.MEMBER,
    Action.READ_UPLOAD: Rule.OWNER,
    Action.CHANGE_UPLOAD: Rule.OWNER,
    Action.READ_CHAT: Rule.VIEWER,
    Action.WRITE_CHAT: Rule.GUEST,
    Action.MODERATE_CHAT: Rule.OWNER,
    Action.CHANGE_ACCOUNT: Rule.MEMBER,
    Action.CHANGE_PROFILE: Rule.MEMBER,
    Action.LIST_PEOPLE: Rule.MEMBER,
    Action.READ_PERSON: Rule.MEMBER,
    Action.CHANGE_FRIENDS: Rule.MEMBER,
    Action.CHANGE_GROUPS: Rule.OWNER,
    Action.READ_NOTIFICATIONS: Rule.MEMBER,
    Action.INVITE: Rule.MEMBER,
    Action.ADMINISTER: Rule.ADMINISTRATOR,
}


_SCOPED: dict[Scope, tuple[Action, ...]] = {
    Scope.LISTEN: (Action.LISTEN,),
    Scope.PUBLISH: (Action.PUBLISH, Action.END_STREAM, Action.CHECK_SOUND),
    Scope.WRITE: (
        *(Action.CREATE_COLLECTION, Action.CHANGE_COLLECTION),
        *(Action.CREATE_CHANNEL, Action.CHANGE_CHANNEL, Action.CHANGE_STREAM, Action.CHANGE_ACCESS),
        *(Action.REMOVE_LISTENER, Action.CHANGE_RECORDING, Action.DELETE_RECORDING, Action.CHANGE_CAPTIONS),
        *(
            Action.SAVE_VOICE,
            Action.CREATE_VOICE,
            Action.CHANGE_VOICE,
            Action.CANCEL_JOB,
            Action.RETRY_JOB,
            Action.WRITE_CHAT,
        ),
        *(Action.UPLOAD, Action.CHANGE_UPLOAD),
        *(Action.MODERATE_CHAT, Action.CHANGE_PROFILE, Action.CHANGE_FRIENDS, Action.CHANGE_GROUPS),
    ),
    Scope.ACCOUNT: (Action.CHANGE_ACCOUNT, Action.INVITE),
    Scope.ADMINISTER: (Action.ADMINISTER, Action.READ_METRICS),
}
SCOPES: dict[Action, Scope] = dict.fromkeys(Action, Scope.READ) | {
    action: scope for scope, actions in _SCOPED.items() for action in actions
}
"""What a token needs for an action; reading, where nothing else is said."""
