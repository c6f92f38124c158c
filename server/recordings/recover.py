"""What a crash or a lost database left behind is put in order at the next start."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from server.clock import SAMPLE_RATE
from server.errors import NotFound
from server.log import get_logger
from server.recordings.library import Library
from server.store.records import Channel, Recording, RecordingState, StoredStream
from server.store.store import Store

log = get_logger(__name__)

STOPPED = "server stopped"
_DONE = {RecordingState.READY, RecordingState.RECOVERED, RecordingState.FAILED}


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a start found."""

    recordings: int = 0
    failed: int = 0


async def recover(store: Store, library: Library, default: Channel) -> Recovered:
    """Close every recording that was never finished and end every stream that was live.

    Works without the rows too: a folder that the database does not know is entered again, on `default` when its
    channel is unknown.
    """
    found = Recovered()
    for recording_id in await asyncio.to_thread(lambda: list(library.files.ids())):
        recording = await _known(store, recording_id)
        if recording is not None and recording.state in _DONE:
            continue
        if recording is None:
            await _enter(store, library, recording_id, default)
        settled = await library.settle(recording_id, RecordingState.RECOVERED)
        failed = settled.state != RecordingState.RECOVERED
        found = Recovered(found.recordings + (not failed), found.failed + failed)
        said = "recording lost" if failed else "recording recovered"
        log.warning(said, recording=recording_id, detail=settled.detail)
    for recording in await store.unfinished_recordings():
        if await asyncio.to_thread(library.files.exists, recording.id):
            continue
        gone = "Its files are not there any more."
        await store.change_recording(recording.id, state=RecordingState.FAILED.value, detail=gone)
        found = replace(found, failed=found.failed + 1)
    await _end_streams(store)
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
            end_reason=STOPPED,
            recorded=True,
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
        )
    )


async def _channel(store: Store, channel_id: str, default: Channel) -> Channel:
    try:
        return await store.channel(channel_id)
    except NotFound:
        return default


async def _end_streams(store: Store) -> None:
    for stream in await store.unfinished_streams():
        recording = await _known(store, stream.id)
        length = max(stream.length, recording.length if recording is not None else 0)
        ended_at = stream.started_at + timedelta(seconds=length / SAMPLE_RATE)
        await store.save_stream(replace(stream, state="ended", ended_at=ended_at, end_reason=STOPPED, length=length))
