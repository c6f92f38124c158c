"""What a crash or a lost database left behind is put in order at the next start."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from server.clock import SAMPLE_RATE
from server.errors import NotFound
from server.log import get_logger
from server.recordings.library import Library
from server.rooms.messages import SERVER_STOPPED, StreamState
from server.store.records import Channel, Recording, RecordingState, StoredStream
from server.store.store import Store

log = get_logger(__name__)

_DONE = {RecordingState.READY, RecordingState.RECOVERED, RecordingState.FAILED}


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a start found."""

    recordings: int = 0
    failed: int = 0
    streams: set[str] = field(default_factory=set)
    """All that were cut off: their rows may lack something."""


async def may_go_on(store: Store, stream_id: str, channel_id: str) -> bool:
    """Whether a stream that an earlier run of the server left live is, by all that is known, not over."""
    try:
        await store.channel(channel_id)
    except NotFound:
        return False
    recording = await _known(store, stream_id)
    if recording is not None and (recording.state in _DONE or recording.deleted_at is not None):
        return False
    try:
        return (await store.stream(stream_id)).state != StreamState.ENDED
    except NotFound:
        return True


async def recover(store: Store, library: Library, default: Channel, waiting: Collection[str] = ()) -> Recovered:
    """Close every recording that was never finished and end every stream that was live, but for those in `waiting`.

    Works without the rows too: a folder that the database does not know is entered again, on `default` when its
    channel is unknown.
    """
    found = Recovered()
    for recording_id in await asyncio.to_thread(lambda: list(library.files.ids())):
        await asyncio.to_thread(library.files.sweep, recording_id)  # nobody writes there now
        if recording_id in waiting:
            continue
        recording = await _known(store, recording_id)
        if recording is not None and (recording.state in _DONE or recording.origin != "live"):
            continue  # what becomes of a file is its job's business
        if recording is None:
            await _enter(store, library, recording_id, default)
        settled = await library.settle(recording_id, RecordingState.RECOVERED)
        failed = settled.state != RecordingState.RECOVERED
        found = replace(found, recordings=found.recordings + (not failed), failed=found.failed + failed)
        found.streams.add(recording_id)
        said = "recording lost" if failed else "recording recovered"
        log.warning(said, recording=recording_id, detail=settled.detail)
    for recording in await store.unfinished_recordings():
        if (
            recording.id in waiting
            or recording.origin != "live"
            or await asyncio.to_thread(library.files.exists, recording.id)
        ):
            continue
        gone = "Its files are not there any more."
        await store.change_recording(recording.id, state=RecordingState.FAILED.value, detail=gone)
        found = replace(found, failed=found.failed + 1)
    found.streams.update(await _end_streams(store, waiting))
    return found


async def _known(store: Store, recording_id: str) -> Recording | None:
    try:
        return await store.recording(recording_id)
    except NotFound:
        return None


async def _enter(store: Store, library: Library, recording_id: str, default: Channel) -> None:
    meta = await asyncio.to_thread(library.files.read_meta, recording_id)
    written_at = datetime.fromtimestamp(await asyncio.to_thread(library.files.modified_at, recording_id), UTC)
    started_at = meta.started_at or written_at
    try:
        stream = await store.stream(recording_id)
    except NotFound:
        stream = StoredStream(
            id=recording_id,
            channel_id=(await _channel(store, meta.channel_id, default)).id,
            owner=default.owner,
            host=meta.host or default.host,
            title=meta.title or f"{meta.host or default.host}, {started_at:%d %B %Y %H:%M}",
            state="ended",
            started_at=started_at,
            ended_at=written_at,
            end_reason=SERVER_STOPPED,
            recorded=True,
            origin=meta.origin,
        )
        await store.save_stream(stream)
    await store.save_recording(
        Recording(
            id=recording_id,
            stream_id=recording_id,
            title=stream.title,
            host=stream.host,
            owner=stream.owner,
            channel_slug=default.slug,
            channel_name=default.name,
            created_at=stream.started_at,
            state=RecordingState.FINISHING,
            origin=stream.origin,
        )
    )


async def _channel(store: Store, channel_id: str, default: Channel) -> Channel:
    try:
        return await store.channel(channel_id)
    except NotFound:
        return default


async def _end_streams(store: Store, waiting: Collection[str]) -> list[str]:
    ended = []
    for stream in await store.unfinished_streams():
        if stream.id in waiting:
            continue
        recording = await _known(store, stream.id)
        length = max(stream.length, recording.length if recording is not None else 0)
        ended_at = stream.started_at + timedelta(seconds=length / SAMPLE_RATE)
        await store.save_stream(
            replace(stream, state="ended", ended_at=ended_at, end_reason=SERVER_STOPPED, length=length)
        )
        ended.append(stream.id)
        if recording is None:
            await store.captions.forget(stream.id)  # nothing is kept of what was not recorded
    return ended
