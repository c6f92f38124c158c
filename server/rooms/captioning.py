"""The captions of one live stream: what is said in it, by whom, and what a person changes of that."""

from __future__ import annotations

from server.errors import Conflict
from server.rooms.messages import (
    CaptionAnswer,
    CaptionCommand,
    CaptionsInfo,
    CaptionsSnapshot,
    PublishGrant,
    VoicesHeard,
)

SWITCHED_OFF = "Captions are switched off on this server (CLEARCAST_CAPTIONS)."


class StreamCaptions:
    """All methods belong on the event loop."""

    def __init__(self, grant: PublishGrant) -> None:
        self._stream_id = grant.stream_id
        self.voices: VoicesHeard | None = None
        """What the speakers sound like so far; None before anybody was heard."""

    @property
    def info(self) -> CaptionsInfo:
        return CaptionsInfo("off", SWITCHED_OFF)

    def snapshot(self, position: int) -> CaptionsSnapshot:
        return CaptionsSnapshot(self._stream_id, self.info, [], [], position, 0)

    def change(self, command: CaptionCommand) -> CaptionAnswer:
        """Raises Conflict, NotFound, InvalidRequest."""
        raise Conflict("This stream has no captions.", code="no-captions")
