"""The rows of the recording that a file becomes: made before its audio is, taken back where nothing comes of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

from server.errors import InvalidRequest, NotFound
from server.store.ids import new_id
from server.store.people_records import Access
from server.store.records import Channel, Recording, RecordingState, StoredStream
from server.store.store import Store
from server.store.uploads import Upload
from server.uploads.options import UploadOptions, title_of

ORIGIN = "upload"

BeginAccess = Callable[[str, str, Access | None], Awaitable[None]]
"""Gives a stream, by its id and its channel's, and the recording its rule."""
AnnounceRecording = Callable[[str, Recording], None]
"""Told the event's type (recording_ready, recording_removed) and the recording."""


class Becoming:
    """Makes and unmakes rows."""

    def __init__(
        self,
        store: Store,
        begin_access: BeginAccess,
        forget_access: Callable[[str], Awaitable[None]],
        announce: AnnounceRecording,
    ) -> None:
        self._store = store
        self._begin_access = begin_access
        self._forget_access = forget_access
        self._announce = announce

    async def make(self, upload: Upload, now: datetime) -> Recording:
        """A recording that is being finished, on its owner's first channel; what is there already stays.

        Raises InvalidRequest where its owner has no channel.
        """
        options = UploadOptions.of(upload.options)
        channel = await self._home(upload.owner)
        stream_id = upload.recording_id or new_id()
        title = options.title or title_of(upload.name)
        known = await self._known(stream_id)
        if known is not None:
            return known
        access = Access(options.access) if options.access is not None else None
        await self._begin_access(stream_id, channel.id, access)
        await self._store.save_stream(_stream(stream_id, channel, upload, title, options, now))
        recording = Recording(
            id=stream_id,
            stream_id=stream_id,
            title=title,
            host=channel.host,
            owner=upload.owner,
            channel_slug=channel.slug,
            channel_name=channel.name,
            created_at=now,
            state=RecordingState.FINISHING.value,
            origin=ORIGIN,
        )
        await self._store.save_recording(recording)
        return await self._store.recording(stream_id)

    async def unmake(self, recording_id: str) -> None:
        """Take it back, unless it is whole, and tell whoever sees it."""
        recording = await self._known(recording_id)
        if recording is None or recording.state != RecordingState.FINISHING:
            return
        await self._store.forget_recording(recording_id)
        await self._store.forget_stream(recording.stream_id)
        self._announce("recording_removed", recording)
        await self._forget_access(recording.stream_id)

    async def whole(self, recording_id: str | None) -> bool:
        """Whether there is such a recording, not in the bin."""
        recording = await self._known(recording_id) if recording_id is not None else None
        return recording is not None and recording.deleted_at is None

    async def _known(self, recording_id: str) -> Recording | None:
        try:
            return await self._store.recording(recording_id)
        except NotFound:
            return None

    async def _home(self, owner: str) -> Channel:
        page = await self._store.channels(limit=1, owner=owner)
        if not page.items:
            raise InvalidRequest("You have no channel that a recording could belong to.", code="no-channel")
        return page.items[0]


def _stream(
    stream_id: str, channel: Channel, upload: Upload, title: str, options: UploadOptions, now: datetime
) -> StoredStream:
    return StoredStream(
        id=stream_id,
        channel_id=channel.id,
        owner=upload.owner,
        host=channel.host,
        title=title,
        state="ended",
        started_at=now,
        ended_at=now,
        denoise_mode="active" if options.denoise else "absent",
        recorded=True,
        language=options.language,
        vocabulary=options.vocabulary,
        translated=options.translate,
        fewest_speakers=options.people,
        most_speakers=options.people,
        origin=ORIGIN,
    )
