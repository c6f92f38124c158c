"""What only a live stream knows, for its recording's facts: how many listen, and which models work on it."""

from __future__ import annotations

from server import __version__
from server.clock import SAMPLE_RATE
from server.inference.caption_lane import SOFTWARE, CaptionerStatus
from server.rooms.eventlog import EventLog
from server.rooms.messages import DenoiseMode, StreamInfo

EVERY = 10 * SAMPLE_RATE
"""Samples at least between two lines that say how many listen."""
DENOISERS = f"Clearcast {__version__}"
"""The weights are others', what runs them is ours."""

Used = tuple[tuple[str, str, str], ...]
"""Stage, name and software of each model."""


class Witness:
    """Writes it into the event log whenever it has changed."""

    def __init__(self, events: EventLog) -> None:
        self._events = events
        self._listeners = 0
        self._counted_at = -EVERY
        self._used: Used = ()

    def look(self, info: StreamInfo, captioner: CaptionerStatus | None) -> None:
        """Look at a stream that has audio; `captioner` is who writes captions on this machine."""
        if info.listeners != self._listeners and info.position - self._counted_at >= EVERY:
            self._listeners, self._counted_at = info.listeners, info.position
            self._events.add("listeners", info.position, count=info.listeners)
        used = _used(info, captioner)
        if used != self._used:
            self._used = used
            models = [{"stage": stage, "name": name, "version": software} for stage, name, software in used]
            self._events.add("models", info.position, models=models)


def _used(info: StreamInfo, captioner: CaptionerStatus | None) -> Used:
    used = []
    if info.denoise.mode is DenoiseMode.ACTIVE and info.denoise.engine is not None and info.denoise.state == "ok":
        used.append(("denoise", info.denoise.engine, DENOISERS))
    if captioner is not None and info.captions.state in ("ok", "degraded"):
        names = {"captions": captioner.recogniser, "speakers": captioner.diarizer}
        used += [(stage, name, SOFTWARE[stage]) for stage, name in names.items() if name is not None]
    return tuple(used)
