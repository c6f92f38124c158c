"""What becomes of the noise in one stream: asked for, changed while live, told."""

from __future__ import annotations

from dataclasses import asdict

from server.config import Settings
from server.errors import Conflict
from server.inference.lane import DenoiserStatus
from server.rooms.amount import DenoiseAmount, first_mode
from server.rooms.eventlog import EventLog
from server.rooms.health import denoise_info
from server.rooms.messages import DenoiseInfo, DenoiseMode, PublishGrant, StreamChange
from server.rooms.stream_audio import StreamAudio


class StreamDenoise:
    """The mode and the amount of one stream, in its audio too once there is any."""

    def __init__(self, settings: Settings, grant: PublishGrant) -> None:
        self.wanted = grant.denoise
        """The mode that was asked for; the server's settings may not allow it."""
        self.mode = first_mode(settings, grant)
        self.amount = DenoiseAmount.first(settings, grant)

    def info(self, status: DenoiserStatus, audio: StreamAudio | None) -> DenoiseInfo:
        late, lane = (audio.alarm.raised, audio.pipeline.has_lane) if audio is not None else (False, True)
        return denoise_info(self.mode, self.wanted, status, late, lane, self.amount)

    def check(self, mode: DenoiseMode | None) -> None:
        """Raises Conflict where the mode cannot become `mode` while live."""
        if mode is None or mode is self.mode:
            return
        if not self.mode.denoises:
            raise Conflict("This stream was started without denoising; that cannot change while it is live.")
        if not mode.denoises:
            raise Conflict("Denoising can be bypassed while a stream is live, not taken away.")

    def change(self, change: StreamChange, audio: StreamAudio | None, events: EventLog, position: int) -> None:
        """Apply what is not None, after `check`."""
        if change.denoise is not None and change.denoise is not self.mode:
            self.mode = self.wanted = change.denoise
            events.add("denoise", position, mode=change.denoise)
            if audio is not None:
                audio.pipeline.set_mode(change.denoise)
        before, self.amount = self.amount, self.amount.changed(change)
        if self.amount != before:
            events.add("denoise", position, **asdict(self.amount))
            if audio is not None:
                audio.pipeline.set_amount(self.amount)
