"""Recordings as a person sees them: finished, renamed, binned and taken out again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from server.clock import HOP
from server.errors import ClearcastError, Conflict, InvalidRequest, NotFound, Unavailable
from server.log import get_logger
from server.recordings import audio
from server.recordings.files import RecordingFolders
from server.store.records import Recording, RecordingState
from server.store.store import Store

KEEP_BINNED = timedelta(days=30)
"""Where nothing else is said."""

log = get_logger(__name__)

Announce = Callable[[str, Recording], None]
"""Told the event's type (recording_ready, recording_updated, recording_removed) and the recording after it."""


@dataclass(frozen=True, slots=True)
class RecordingChange:
    """What is said otherwise about a recording; None leaves it as it is."""

    title: str | None = None
    description: str | None = None
    language: str | None = None
    trim: tuple[int, int] | None = None
    """First sample that is played, and the one after the last."""
    untrim: bool = False
    """Whether all of it is played again."""


class Library:
    """Everything that has been recorded. Finishing runs in the background, one recording at a time."""

    def __init__(
        self, store: Store, files: RecordingFolders, announce: Announce, keep_binned: timedelta = KEEP_BINNED
    ) -> None:
        self.files = files
        self.keep_binned = keep_binned
        """How long a recording stays in the bin."""
        self._store = store
        self._announce = announce
        self._tasks: set[asyncio.Task[None]] = set()
        self._one_at_a_time = asyncio.Semaphore(1)

    async def close(self) -> None:
        """Wait for recordings that are being finished."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def get(self, recording_id: str) -> Recording:
        """Raises NotFound, for binned ones too."""
        recording = await self._store.recording(recording_id)
        if recording.deleted_at is not None:
            raise NotFound("There is no such recording.", code="unknown-recording")
        return recording

    def finish(self, recording_id: str, good: RecordingState = RecordingState.READY) -> None:
        """Close what the recorder left, measure it and draw its peaks; in the background. `good`: see `settle`."""
        task = asyncio.create_task(self._finish(recording_id, good), name=f"finish {recording_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _finish(self, recording_id: str, good: RecordingState) -> None:
        async with self._one_at_a_time:
            try:
                recording = await self.settle(recording_id, good)
                if recording.state == RecordingState.FINISHING:
                    log.error("recording not finished", recording=recording_id, error=recording.detail)
                    self._announce("recording_updated", recording)
                    return
                log.info("recording finished", recording=recording_id, seconds=round(recording.length / 48_000, 1))
                self._announce("recording_ready", recording)
            except (ClearcastError, OSError) as error:
                log.error("recording not finished", recording=recording_id, error=str(error))

    async def settle(self, recording_id: str, good: RecordingState) -> Recording:
        """Close the files, write down length and size, and the state `good`, or FAILED where there is no audio.

        While the disk does not let us it stays FINISHING, and the next start tries again.
        """
        try:
            measured = await asyncio.to_thread(audio.settle, self.files, recording_id)
        except audio.NoAudio as error:
            return await self._store.change_recording(
                recording_id, state=RecordingState.FAILED.value, detail=str(error)
            )
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            detail = f"The file could not be closed: {reason}. The next start tries again."
            return await self._store.change_recording(recording_id, state=RecordingState.FINISHING.value, detail=detail)
        return await self._store.change_recording(
            recording_id,
            state=good.value,
            length=measured.length,
            size_bytes=measured.size_bytes,
            has_raw=measured.has_raw,
        )

    async def change(self, recording: Recording, change: RecordingChange) -> Recording:
        """Say something else about it. Raises Conflict for a trim while it is being recorded, InvalidRequest."""
        values: dict[str, Any] = {}
        if change.title is not None:
            values["title"] = change.title
        if change.description is not None:
            values["description"] = change.description
        if change.trim is not None:
            values["trim_start"], values["trim_end"] = _trim(recording, change.trim)
        elif change.untrim:
            values["trim_start"] = values["trim_end"] = None
        if change.language is not None:
            await self._store.change_stream(recording.stream_id, language=change.language)
        changed = await self._store.change_recording(recording.id, **values)
        self._announce("recording_updated", changed)
        return changed

    async def delete(self, recording: Recording) -> None:
        """Into the bin. Raises Conflict while it is being recorded."""
        _must_be_over(recording)
        await self._move(self.files.bin, recording.id)
        changed = await self._store.change_recording(recording.id, deleted_at=datetime.now(UTC))
        self._announce("recording_removed", changed)

    async def erase(self, recording: Recording) -> None:
        """For good, from wherever it lies. Raises Conflict while it is being recorded, Unavailable."""
        _must_be_over(recording)
        if recording.deleted_at is None:  # whatever happens in between: nobody sees half of one
            await self.delete(recording)
        # Cut off in the middle, it is the next start that takes away the rest.
        await self._store.change_recording(recording.id, deleted_at=datetime.now(UTC) - self.keep_binned)
        await self._move(self.files.remove, recording.id)
        await self._store.forget_recording(recording.id)

    async def retire(self, before: datetime) -> int:
        """Into the bin with what was recorded before a moment; returns how many."""
        old = await self._store.recordings_before(before)
        for recording in old:
            await self.delete(recording)
        return len(old)

    async def restore(self, recording: Recording) -> Recording:
        """Out of the bin again; does nothing for one that is not in it."""
        if recording.deleted_at is None:
            return recording
        await self._move(self.files.restore, recording.id)
        changed = await self._store.change_recording(recording.id, deleted_at=None)
        self._announce("recording_updated", changed)
        return changed

    async def _move(self, move: Callable[[str], None], recording_id: str) -> None:
        try:
            await asyncio.to_thread(move, recording_id)
        except OSError as error:
            raise Unavailable(f"The files could not be moved: {error.strerror}.", code="disk") from error

    async def purge(self, now: datetime) -> int:
        """Remove for good what has been in the bin for long enough; returns how many."""
        gone = await self._store.deleted_recordings(now - self.keep_binned)
        for recording in gone:
            await asyncio.to_thread(self.files.purge, recording.id)
            await self._store.forget_recording(recording.id)
        return len(gone)

    async def peaks(self, recording: Recording) -> audio.Peaks:
        """The drawing of a finished recording; made now when it is missing. Raises Conflict, NotFound."""
        if recording.state in (RecordingState.RECORDING, RecordingState.FINISHING):
            raise Conflict("The recording is not finished yet.", code="still-recording")
        try:
            return await asyncio.to_thread(audio.peaks, self.files, recording.id)
        except (OSError, audio.NoAudio):
            raise NotFound("The recording's audio is not there.", code="no-audio") from None


def _must_be_over(recording: Recording) -> None:
    if recording.state in (RecordingState.RECORDING, RecordingState.FINISHING):
        raise Conflict("This is still being recorded. End the stream first.", code="still-recording")


def _trim(recording: Recording, wanted: tuple[int, int]) -> tuple[int, int]:
    """An end that lies behind the last sample by no more than rounding is the last sample's."""
    _must_be_over(recording)
    start, end = wanted
    if recording.length < end <= recording.length + HOP:
        end = recording.length
    if not 0 <= start < end <= recording.length:
        raise InvalidRequest("What is played must begin before it ends, within the recording.", code="trim")
    return start, end
