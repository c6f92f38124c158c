"""What is kept of one stream: whether it is recorded, and the spans of it that are off the record."""

from __future__ import annotations

from server.rooms.caption_told import CaptionTeller
from server.rooms.messages import RecordingInfo, StreamChange
from server.rooms.off_record import OffRecord
from server.rooms.saved import Past, SavedStream
from server.rooms.stream_audio import StreamAudio


class Keeping:
    """What a person wishes, done to the stream's audio once there is any."""

    def __init__(self, stream_id: str, record: bool, teller: CaptionTeller) -> None:
        self._stream_id = stream_id
        self._teller = teller
        self.record = record
        """Whether it is wanted; a disk may not allow it."""
        self.off = OffRecord()

    def info(self, audio: StreamAudio | None, past: Past | None, *, over: bool) -> RecordingInfo:
        if audio is None:
            recorded = past is not None and past.left.recorded
            return RecordingInfo(on=self.record, id=self._stream_id if recorded else None)
        recorder = audio.recorder
        on = recorder.on and not over  # the last of it may still be on its way to the disk
        return RecordingInfo(on, self._stream_id if recorder.exists else None, recorder.detail, recorder.held)

    def change(self, change: StreamChange, audio: StreamAudio | None, position: int) -> bool:
        """Apply what is not None; the stream stands at `position`. Whether it went off or on the record by that."""
        if change.record is not None:
            self.record = change.record
            if audio is not None:
                (audio.recorder.start if change.record else audio.recorder.stop)(position)
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
