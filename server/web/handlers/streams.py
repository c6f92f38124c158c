"""Streams, live and past."""

from __future__ import annotations

from collections.abc import Sequence

from server.accounts import Action, Resource, may_see
from server.accounts.access import about_stream
from server.errors import Conflict
from server.rooms.messages import DenoiseMode, StreamChange, StreamInfo, StreamState
from server.store.records import StoredStream
from server.web import schemas, views
from server.web.routing import Call, RouteTable
from server.web.topics import as_stream

table = RouteTable("streams")

ENDED_BY_HOST = "ended"


async def load(call: Call) -> Resource:
    """The stream that the address names, live or stored. Raises NotFound."""
    stream_id = call.path("id")
    live = call.services.stream(stream_id)
    if live is not None:
        call.subject = live
        return await call.about("stream", live.id, live.principal, live.channel_id)
    stored = await call.services.store.stream(stream_id)
    call.subject = stored
    return await call.about("stream", stored.id, stored.owner, stored.channel_id)


async def load_to_read(call: Call) -> Resource:
    """The same for whoever reads what was said and written: once a stream is over, that goes with its recording."""
    resource = await load(call)
    stream: StreamInfo | StoredStream = call.subject
    if isinstance(stream, StoredStream) and stream.recorded:
        return as_stream(await call.about("recording", stream.id, stream.owner, stream.channel_id))
    return resource


async def _show(call: Call, stream: StreamInfo | StoredStream) -> schemas.StreamOut:
    return (await _show_all(call, [stream]))[0]


async def _show_all(call: Call, streams: Sequence[StreamInfo | StoredStream]) -> list[schemas.StreamOut]:
    """As the actor sees them, in a constant number of queries."""
    services, shown = call.services, []
    channels = await services.channels_by_id({stream.channel_id for stream in streams})
    mine = {("stream", stream.id) for stream in streams if _owner(stream) == call.actor.id}
    rules = await services.access.rules(mine)
    for stream in streams:
        rule, channel = rules.get(("stream", stream.id)), channels[stream.channel_id]
        access = rule.access if rule is not None else None
        if isinstance(stream, StreamInfo):
            shown.append(views.live_stream(stream, channel, call.actor, access))
        else:
            shown.append(views.past_stream(stream, channel, call.actor, access))
    return shown


def _owner(stream: StreamInfo | StoredStream) -> str:
    return stream.principal if isinstance(stream, StreamInfo) else stream.owner


def _must_be_live(stream: StreamInfo | StoredStream) -> StreamInfo:
    if not isinstance(stream, StreamInfo) or stream.state is StreamState.ENDED:
        raise Conflict("The stream has ended.", code="stream-ended")
    return stream


@table.route(
    "GET",
    "/api/v1/streams",
    Action.LIST_STREAMS,
    "Streams, newest first",
    query=schemas.StreamQuery,
    answer=schemas.StreamList,
)
async def list_streams(call: Call) -> schemas.StreamList:
    query = call.query(schemas.StreamQuery)
    services = call.services
    if query.state == "live":
        live = [item for item in services.media.streams() if query.owner in (None, item.principal)]
        found = await services.access.about_all(call.actor, [about_stream(item) for item in live])
        seen = [item for item, resource in zip(live, found, strict=True) if may_see(call.actor, resource)]
        shown = await _show_all(call, sorted(seen, key=lambda item: item.started_at, reverse=True))
        return schemas.StreamList(items=shown, total=len(shown), next=None)
    sight = await services.access.sight(call.actor)
    page = await services.store.streams(limit=query.limit, cursor=query.cursor, sight=sight, owner=query.owner)
    shown = await _show_all(call, [services.stream(item.id) or item for item in page.items])
    return schemas.StreamList(items=shown, total=page.total, next=page.next)


@table.route("GET", "/api/v1/streams/{id}", Action.READ_STREAM, "One stream", resource=load, answer=schemas.StreamOut)
async def read_stream(call: Call) -> schemas.StreamOut:
    return await _show(call, call.subject)


@table.route(
    "PATCH",
    "/api/v1/streams/{id}",
    Action.CHANGE_STREAM,
    "Change title, denoise or recording of a live stream, or go off the record",
    resource=load,
    body=schemas.StreamPatch,
    answer=schemas.StreamOut,
    errors=(409, 507),
)
async def change_stream(call: Call) -> schemas.StreamOut:
    stream = _must_be_live(call.subject)
    wanted = call.body(schemas.StreamPatch)
    if wanted.denoise is not None and not stream.denoise.mode.denoises:
        raise Conflict("This stream began without noise removal and cannot switch it on.", code="denoise-absent")
    if wanted.recording:
        await call.services.quotas.check_recording(stream.principal)
    change = StreamChange(
        title=wanted.title,
        denoise=DenoiseMode(wanted.denoise) if wanted.denoise is not None else None,
        record=wanted.recording,
        denoise_strength=wanted.denoise_strength,
        post_filter=wanted.post_filter,
        off_record=wanted.off_record,
    )
    return await _show(call, await call.services.media.update(stream.id, change))


@table.route(
    "POST",
    "/api/v1/streams/{id}/end",
    Action.END_STREAM,
    "End a live stream",
    resource=load,
    answer=schemas.StreamOut,
    errors=(409,),
)
async def end_stream(call: Call) -> schemas.StreamOut:
    stream = _must_be_live(call.subject)
    await call.services.media.end(stream.id, ENDED_BY_HOST)
    # The recording is still being closed; the event stream_ended follows when it is on the disk.
    return await _show(call, call.services.stream(stream.id) or stream)
