"""How well the captions of one stream work, in a word and in words for a person."""

from __future__ import annotations

from server.clock import SAMPLE_RATE, seconds
from server.inference.caption_lane import CaptionService
from server.speech.transcriber import Gap

GAP_TOLD = 30 * SAMPLE_RATE
"""How long a stream says that words are missing, in samples of its time."""

SWITCHED_OFF = "Captions are switched off on this server."
NOT_WANTED = "This stream has no captions: its publisher did not want any."
BROKEN = "The captions of this stream have stopped because of an error in the server. The stream goes on."
MUSIC = "A stream of music has no captions."


class CaptionState:
    """What the service says of itself, and what is wrong with this very stream."""

    def __init__(self, service: CaptionService | None, *, wanted: bool, music: bool) -> None:
        self._service = service
        self._music = music
        self.wanted = wanted
        self.refused = ""
        """Why there is no lane although there should be."""
        self._gap = ""
        self._gap_until = 0

    @property
    def absent(self) -> str:
        """Why this stream cannot have captions at all; empty where it can."""
        if self._service is None or self._service.status.state == "off":
            return (self._service.status.detail if self._service is not None else "") or SWITCHED_OFF
        if self._music:
            return MUSIC
        return "" if self.wanted else NOT_WANTED

    @property
    def words(self) -> tuple[str, str]:
        """State and detail, as in `CaptionsInfo`."""
        absent = self.absent
        if absent or self._service is None:
            return "off", absent
        status, own = self._service.status, self.refused or self._gap
        if own and status.state in ("ready", "degraded"):
            return "degraded", " ".join(filter(None, (own, status.detail if status.detail != own else "")))
        return ("ok" if status.state == "ready" else status.state), status.detail

    def miss(self, gap: Gap, now: int) -> None:
        """Words are missing, as is known when the stream is at sample `now`."""
        missing = seconds(gap.end - gap.start)
        self._gap = f"{missing:.0f} s of speech were not written down live ({gap.reason})."
        self._gap_until = now + GAP_TOLD

    def pass_time(self, now: int) -> None:
        """The stream has reached sample `now`."""
        if self._gap and now >= self._gap_until:
            self._gap = ""
