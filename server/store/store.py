"""What the server asks of its database, as one small set of questions."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select, update

from server.errors import Conflict, NotFound
from server.store import search_index
from server.store.access import AccessTable, forget_rules, sighted
from server.store.audit import AuditTable
from server.store.belongings import BelongingTable
from server.store.caption_edits import CaptionEditTable
from server.store.caption_rows import forget_captions
from server.store.captions import CaptionTable
from server.store.chat import ChatTable
from server.store.collections import CollectionTable
from server.store.database import Database
from server.store.deliveries import DeliveryTable
from server.store.friends import FriendTable
from server.store.groups import GroupTable
from server.store.invitations import InvitationTable
from server.store.jobs import JobTable
from server.store.keeping import KeepingTable
from server.store.keys import KeyTable
from server.store.library import LibraryTable, Wanted
from server.store.lists import CHANNELS, STREAMS, recording_of, recordings
from server.store.notices import NoticeTable, PushTable
from server.store.paging import MAX_PAGE
from server.store.people_records import Sight
from server.store.records import Channel, Page, Recording, RecordingState, StoredStream
from server.store.schema import ChannelRow, JobRow, RecordingRow, StreamRow
from server.store.sessions import SessionTable
from server.store.summaries import SummaryTable
from server.store.talk import TalkTable
from server.store.uploads import UploadTable
from server.store.users import UserTable
from server.store.voices import VoiceTable

UNFINISHED = (RecordingState.RECORDING.value, RecordingState.FINISHING.value)


class Store:
    """Channels, streams and recordings; the rest in tables beside them. Every method is one transaction."""

    def __init__(self, url: str) -> None:
        self._database = Database(url)
        self.captions = CaptionTable(self._database)
        self.caption_edits = CaptionEditTable(self._database)
        self.talk = TalkTable(self._database)
        self.summaries = SummaryTable(self._database)
        self.library = LibraryTable(self._database)
        self.collections = CollectionTable(self._database)
        self.voices = VoiceTable(self._database)
        self.jobs = JobTable(self._database)
        self.access = AccessTable(self._database)
        self.keeping = KeepingTable(self._database)
        self.keys = KeyTable(self._database)
        self.friends = FriendTable(self._database)
        self.groups = GroupTable(self._database)
        self.chat = ChatTable(self._database)
        self.users = UserTable(self._database)
        self.invitations = InvitationTable(self._database)
        self.belongings = BelongingTable(self._database)
        self.sessions = SessionTable(self._database)
        self.audit = AuditTable(self._database)
        self.notices = NoticeTable(self._database)
        self.push = PushTable(self._database)
        self.deliveries = DeliveryTable(self._database)
        self.uploads = UploadTable(self._database)

    async def open(self) -> None:
        """Bring the tables up to date. Raises Unavailable."""
        await self._database.open()

    async def close(self) -> None:
        await self._database.close()

    async def check(self) -> None:
        """Raises when the database does not answer."""
        await self._database.check()

    # Channels

    async def add_channel(self, channel: Channel) -> None:
        """Raises Conflict when the address is taken."""
        try:
            async with self._database.write() as session:
                session.add(ChannelRow(**asdict(channel)))
        except Conflict:
            raise Conflict(f"The address “{channel.slug}” is taken.", code="slug-taken") from None

    async def channel(self, channel_id: str) -> Channel:
        """Raises NotFound."""
        async with self._database.read() as session:
            return _channel(await session.get(ChannelRow, channel_id))

    async def channels_by_id(self, channel_ids: Collection[str]) -> list[Channel]:
        """Those of some ids, in no order."""
        async with self._database.read() as session:
            rows = await session.scalars(select(ChannelRow).where(ChannelRow.id.in_(channel_ids)))
            return [_channel(row) for row in rows]

    async def channel_by_slug(self, slug: str) -> Channel:
        """Raises NotFound."""
        async with self._database.read() as session:
            row = await session.scalar(select(ChannelRow).where(ChannelRow.slug == slug))
            return _channel(row)

    async def channels(
        self, *, limit: int = MAX_PAGE, cursor: str | None = None, sight: Sight | None = None, owner: str | None = None
    ) -> Page[Channel]:
        """Oldest first: the first is the default one. What `sight` may see, of `owner` where one is named."""
        given = {**sighted(sight, "channel"), "owner": owner}
        return await self._database.ask(lambda connection: CHANNELS.page(connection, given, limit=limit, cursor=cursor))

    # Streams

    async def save_stream(self, stream: StoredStream) -> None:
        """Write a stream down, new or not."""
        async with self._database.write() as session:
            await session.merge(StreamRow(**asdict(stream)))

    async def stream(self, stream_id: str) -> StoredStream:
        """Raises NotFound."""
        async with self._database.read() as session:
            row = await session.get(StreamRow, stream_id)
        if row is None:
            raise NotFound("There is no such stream.", code="unknown-stream")
        return _stream(row)

    async def streams(
        self, *, limit: int = MAX_PAGE, cursor: str | None = None, sight: Sight | None = None, owner: str | None = None
    ) -> Page[StoredStream]:
        """Newest first. What `sight` may see, of `owner` where one is named."""
        given = {**sighted(sight, "stream"), "owner": owner}
        return await self._database.ask(lambda connection: STREAMS.page(connection, given, limit=limit, cursor=cursor))

    async def change_stream(self, stream_id: str, **values: Any) -> None:
        """Set columns of one stream; nothing where there is none."""
        async with self._database.write() as session:
            await session.execute(update(StreamRow).where(StreamRow.id == stream_id).values(**values))

    async def forget_stream(self, stream_id: str) -> None:
        """Take a stream away that never was, with all that belongs to it."""
        async with self._database.write() as session:
            await session.execute(delete(StreamRow).where(StreamRow.id == stream_id))

    async def unfinished_streams(self) -> list[StoredStream]:
        """Streams that were live when the server last stopped."""
        async with self._database.read() as session:
            rows = await session.scalars(select(StreamRow).where(StreamRow.ended_at.is_(None)))
            return [_stream(row) for row in rows]

    # Recordings

    async def save_recording(self, recording: Recording) -> None:
        """Write a recording down, new or not; its stream must be there."""
        known = {column.key for column in RecordingRow.__table__.columns}
        values = {key: value for key, value in asdict(recording).items() if key in known}
        async with self._database.write() as session:
            await session.merge(RecordingRow(**values))
            await search_index.title_changed(session, recording.stream_id)

    async def change_recording(self, recording_id: str, **values: Any) -> Recording:
        """Set columns of one recording and return it. Raises NotFound."""
        if values:
            async with self._database.write() as session:
                changed = update(RecordingRow).where(RecordingRow.id == recording_id).values(**values)
                stream_id = await session.scalar(changed.returning(RecordingRow.stream_id))
                if stream_id is not None and values.keys() & {"title", "description"}:
                    await search_index.title_changed(session, stream_id)
        return await self.recording(recording_id)

    async def recording(self, recording_id: str) -> Recording:
        """Deleted ones too. Raises NotFound."""
        async with self._database.read() as session:
            row = (await session.execute(recordings().where(RecordingRow.id == recording_id))).first()
        if row is None:
            raise NotFound("There is no such recording.", code="unknown-recording")
        return recording_of(row)

    async def recordings(
        self,
        *,
        limit: int = MAX_PAGE,
        cursor: str | None = None,
        sight: Sight | None = None,
        owner: str | None = None,
        binned: bool = False,
    ) -> Page[Recording]:
        """Newest first, those in the bin or those that are not. What `sight` may see, of `owner` where one is named."""
        page = await self.library.page(Wanted(owner=owner, binned=binned), sight=sight, limit=limit, cursor=cursor)
        return Page([found.recording for found in page.items], page.total, page.next)

    async def recordings_by_id(self, recording_ids: Collection[str]) -> list[Recording]:
        """Those of some ids that are there, in no order."""
        async with self._database.read() as session:
            rows = await session.execute(recordings().where(RecordingRow.id.in_(recording_ids)))
            return [recording_of(row) for row in rows]

    async def unfinished_recordings(self) -> list[Recording]:
        """Recordings whose end was never written down."""
        async with self._database.read() as session:
            return [
                recording_of(row)
                for row in await session.execute(recordings().where(RecordingRow.state.in_(UNFINISHED)))
            ]

    async def storage(self) -> list[tuple[str, int, int]]:
        """Of each owner of recordings: id, number and bytes, the largest first; those in the bin count too."""
        used = func.sum(RecordingRow.size_bytes)
        query = (
            select(StreamRow.owner, func.count(), used)
            .join(StreamRow, RecordingRow.stream_id == StreamRow.id)
            .group_by(StreamRow.owner)
            .order_by(used.desc())
            .limit(MAX_PAGE)
        )
        async with self._database.read() as session:
            return [(owner, number, int(size)) for owner, number, size in await session.execute(query)]

    async def deleted_recordings(self, before: datetime) -> list[Recording]:
        """Recordings put into the bin before a moment."""
        async with self._database.read() as session:
            rows = await session.execute(recordings().where(RecordingRow.deleted_at < before))
            return [recording_of(row) for row in rows]

    async def recordings_before(self, before: datetime) -> list[Recording]:
        """Recordings that were made before a moment, are finished and not in the bin."""
        old = (RecordingRow.created_at < before, RecordingRow.deleted_at.is_(None))
        async with self._database.read() as session:
            rows = await session.execute(recordings().where(*old, RecordingRow.state.not_in(UNFINISHED)))
            return [recording_of(row) for row in rows]

    async def forget_recording(self, recording_id: str) -> None:
        """Take the row away for good, with all that was written down of what was said."""
        async with self._database.write() as session:
            row = await session.get(RecordingRow, recording_id)
            if row is not None:
                await forget_captions(session, row.stream_id)
                await session.execute(delete(JobRow).where(JobRow.subject == row.stream_id))
                await forget_rules(session, [("recording", row.id)])
                await session.delete(row)


def _values(row: Any) -> dict[str, Any]:
    """The columns of a row that was just read."""
    values = dict(vars(row))
    del values["_sa_instance_state"]
    return values


def _channel(row: ChannelRow | None) -> Channel:
    if row is None:
        raise NotFound("There is no such channel.", code="unknown-channel")
    return Channel(**_values(row))


def _stream(row: StreamRow) -> StoredStream:
    return StoredStream(**_values(row))
