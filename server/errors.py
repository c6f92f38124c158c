"""Every error that Clearcast raises on purpose.

`message` is written for the person who reads it and is the only text that leaves the server; `code` is stable
and meant for programs. HTTP statuses belong to `server.web`.
"""

from __future__ import annotations


class ClearcastError(Exception):
    """Base of all errors with a text that may be shown to a user."""

    code = "internal"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code


class InvalidRequest(ClearcastError):
    """What was sent does not mean anything; sending it again will not help."""

    code = "invalid-request"


class InvalidOffer(InvalidRequest):
    """The SDP offer cannot be parsed, or offers nothing that this server can use."""

    code = "invalid-offer"


class NotAuthenticated(ClearcastError):
    """Nobody has signed in, or the credentials are wrong."""

    code = "not-authenticated"


class NotAllowed(ClearcastError):
    """The actor is known and may not do this."""

    code = "not-allowed"


class ResumeRefused(NotAllowed):
    """A resume token that does not belong to the stream, or not to whoever shows it."""

    code = "resume-refused"


class NotFound(ClearcastError):
    """There is no such thing, or the actor may not know of it."""

    code = "not-found"


class Conflict(ClearcastError):
    """The thing is in a state in which this cannot be done now."""

    code = "conflict"


class ChannelLive(Conflict):
    """Somebody already publishes on the channel."""

    code = "channel-live"


class SpeakerNameTaken(Conflict):
    """Another speaker of the stream, `label`, has that name: the two may be one person, to be merged."""

    code = "speaker-name-taken"

    def __init__(self, message: str, *, label: str = "") -> None:
        super().__init__(message)
        self.label = label


class TooLarge(ClearcastError):
    """A body, field or file is over its limit."""

    code = "too-large"


class UnsupportedType(ClearcastError):
    """The body has a content type that this address does not take."""

    code = "unsupported-type"


class Unavailable(ClearcastError):
    """It cannot be done now and may work later.

    `retry_after` is in seconds, None where no time can be named.
    """

    code = "unavailable"

    def __init__(self, message: str, *, code: str | None = None, retry_after: int | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after = retry_after


class TooManyRequests(Unavailable):
    """The same was asked for too often in a short time."""

    code = "too-many-requests"


class DiskFull(Unavailable):
    """No room, or no right, to write where recordings are kept."""

    code = "disk-full"


class QuotaReached(ClearcastError):
    """The room that somebody has for recordings and uploads is used up."""

    code = "quota"


class ModelMissing(Unavailable):
    """A model is not installed and could not be fetched."""

    code = "model-missing"


class ModelCorrupt(Unavailable):
    """A model's files are there and cannot be used."""

    code = "model-corrupt"


class SettingsError(ClearcastError):
    """The configuration contains a mistake; the message names the variable."""

    code = "settings"
