"""Channels and streams as lists: what they are sorted by, and what they can be narrowed to; columns of recordings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from sqlalchemy import ColumnElement, Select, String, bindparam, null, select
from sqlalchemy.orm import InstrumentedAttribute

from server.store.access import seen
from server.store.listing import Listing, Names, Order
from server.store.records import Channel, Recording, StoredStream
from server.store.schema import ChannelRow, RecordingRow, StreamRow

Filters = Mapping[str, ColumnElement[bool]]
"""What a list can be narrowed to, by the name of the parameter."""

_BESIDE: dict[str, InstrumentedAttribute[Any]] = {
    "host": StreamRow.host,
    "owner": StreamRow.owner,
    "channel_id": ChannelRow.id,
    "channel_slug": ChannelRow.slug,
    "channel_name": ChannelRow.name,
    "origin": StreamRow.origin,
    "language": StreamRow.language,
}
"""What a recording has from its stream and channel."""
_CHANNEL = [getattr(ChannelRow, field.name) for field in fields(Channel)]
_STREAM = [getattr(StreamRow, field.name) for field in fields(StoredStream)]
RECORDING = [
    _BESIDE[field.name].label(field.name) if field.name in _BESIDE else getattr(RecordingRow, field.name)
    for field in fields(Recording)
]
LISTED = [null().label("facts") if column is RecordingRow.facts else column for column in RECORDING]
"""What was found when a recording was finished is long, and no list shows it."""


def parameter(name: str) -> Any:
    return bindparam(name, type_=String())


CHANNEL_FILTERS: Filters = {"owner": ChannelRow.owner == parameter("owner")}
STREAM_FILTERS: Filters = {"owner": StreamRow.owner == parameter("owner")}


def recordings(columns: list[Any] = RECORDING) -> Select[Any]:
    """Columns, not objects, those of the binned too: `recording_of` makes a recording of a row."""
    return (
        select(*columns)
        .select_from(RecordingRow)
        .join(StreamRow, RecordingRow.stream_id == StreamRow.id)
        .join(ChannelRow, StreamRow.channel_id == ChannelRow.id)
    )


def recording_of(row: Any) -> Recording:
    return Recording(*row[: len(RECORDING)])


def _channels(given: Names) -> Select[Any]:
    query = seen(select(*_CHANNEL), given, "channel", ChannelRow.id, ChannelRow.owner, ChannelRow.id)
    return narrowed(query, given, CHANNEL_FILTERS)


def _streams(given: Names) -> Select[Any]:
    broadcast = select(*_STREAM).where(StreamRow.origin == "live")  # nobody has ever been live with a file
    query = seen(broadcast, given, "stream", StreamRow.id, StreamRow.owner, StreamRow.channel_id)
    return narrowed(query, given, STREAM_FILTERS)


def narrowed(query: Select[Any], given: Names, filters: Filters) -> Select[Any]:
    return query.where(*(condition for name, condition in filters.items() if name in given))


CHANNELS = Listing(_channels, {"oldest": Order((ChannelRow.created_at, ChannelRow.id))}, lambda row: Channel(*row))
"""The first is the default one."""
STREAMS = Listing(
    _streams, {"newest": Order((StreamRow.started_at, StreamRow.id), descending=True)}, lambda row: StoredStream(*row)
)
