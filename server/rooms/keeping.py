"""What is kept of one stream: whether it is recorded, and the spans of it that are off the record."""

from __future__ import annotations

from server.rooms.caption_told import CaptionTeller
from server.rooms.messages import PublishGrant, RecordingInfo, StreamChange
from server.rooms.off_record import OffRecord
from server.rooms.saved import Past, SavedStream
from server.rooms.stream_audio import StreamAudio


class Keeping:
    """What a person wishes, done to the stream's audio once there is any."""

    def __init__(self, grant: PublishGrant, teller: CaptionTeller) -> None:
        self._stream_id = grant.stream_id
        self._teller = teller
        self.record = grant.record
        """Whether it is wanted; a disk may not allow it."""
        self._refused = grant.recording_detail
        self.off = OffRecord()

    def info(self, audio: StreamAudio | None, past: Past | None, *, over: bool) -> RecordingInfo:
        if audio is None:
            recorded = past is not None and past.left.recorded
            return RecordingInfo(self.record, self._stream_id if recorded else None, self._refused)
        recorder = audio.recorder
        on = recorder.on and not over  # the last of it may still be on its way to the disk
        detail = recorder.detail or self._refused
        return RecordingInfo(on, self._stream_id if recorder.exists else None, detail, recorder.held)

    def change(self, change: StreamChange, audio: StreamAudio | None, position: int) -> bool:
        """Apply what is not None; the stream stands at `position`. Whether it went off or on the record by that."""
        if change.record is not None:
            self.record, self._refused = change.record, ""
        if audio is None:
            self._refused = change.recording_detail or self._refused
        elif change.record:
            audio.recorder.start(position)
        elif change.record is False:
            audio.recorder.stop(position, change.recording_detail)
        elif change.recording_detail:
            audio.recorder.warn(change.recording_detail)
        if change.off_record is None or change.off_record is self.off.on:
            return False
        if change.off_record:
            at = self.off.begin(audio.came if audio is not None else position)
        else:
            start, at = self.off.end(audio.arrived if audio is not None else position)
            self._teller.nothing_kept(start, at)
        self._teller.off_record(change.off_record, at)
        return True

    def end(self, position: int) -> None:
        """The stream is over."""
        if self.off.since is not None:
            self._teller.nothing_kept(self.off.since, position)

    def restore(self, left: SavedStream) -> None:
        """Go on where an earlier run of the server was: what was off the record still is."""
        self.off.since = left.off_record_since
