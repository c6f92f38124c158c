"""Channels, streams and recordings as lists: what they are sorted by, and what they can be narrowed to."""

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
_RECORDING = [
    _BESIDE[field.name].label(field.name) if field.name in _BESIDE else getattr(RecordingRow, field.name)
    for field in fields(Recording)
]
_LISTED = [null().label("facts") if column is RecordingRow.facts else column for column in _RECORDING]
"""What was found when a recording was finished is long, and no list shows it."""


def _parameter(name: str) -> Any:
    return bindparam(name, type_=String())


CHANNEL_FILTERS: Filters = {"owner": ChannelRow.owner == _parameter("owner")}
STREAM_FILTERS: Filters = {"owner": StreamRow.owner == _parameter("owner")}
RECORDING_FILTERS: Filters = {"owner": StreamRow.owner == _parameter("owner")}


def recordings(columns: list[Any] = _RECORDING) -> Select[Any]:
    """Columns, not objects, those of the binned too: `recording_of` makes a recording of a row."""
    return (
        select(*columns)
        .select_from(RecordingRow)
        .join(StreamRow, RecordingRow.stream_id == StreamRow.id)
        .join(ChannelRow, StreamRow.channel_id == ChannelRow.id)
    )


def recording_of(row: Any) -> Recording:
    return Recording(*row)


def _channels(given: Names) -> Select[Any]:
    query = seen(select(*_CHANNEL), given, "channel", ChannelRow.id, ChannelRow.owner, ChannelRow.id)
    return _narrowed(query, given, CHANNEL_FILTERS)


def _streams(given: Names) -> Select[Any]:
    query = seen(select(*_STREAM), given, "stream", StreamRow.id, StreamRow.owner, StreamRow.channel_id)
    return _narrowed(query, given, STREAM_FILTERS)


def _recordings(given: Names) -> Select[Any]:
    in_bin = RecordingRow.deleted_at
    query = recordings(_LISTED).where(in_bin.is_not(None) if "binned" in given else in_bin.is_(None))
    query = seen(query, given, "recording", RecordingRow.id, StreamRow.owner, StreamRow.channel_id)
    return _narrowed(query, given, RECORDING_FILTERS)


def _narrowed(query: Select[Any], given: Names, filters: Filters) -> Select[Any]:
    return query.where(*(condition for name, condition in filters.items() if name in given))


CHANNELS = Listing(_channels, {"oldest": Order((ChannelRow.created_at, ChannelRow.id))}, lambda row: Channel(*row))
"""The first is the default one."""
STREAMS = Listing(
    _streams, {"newest": Order((StreamRow.started_at, StreamRow.id), descending=True)}, lambda row: StoredStream(*row)
)
RECORDINGS = Listing(
    _recordings, {"newest": Order((RecordingRow.created_at, RecordingRow.id), descending=True)}, recording_of
)
"""Without those in the bin; those alone where `binned` is given."""
