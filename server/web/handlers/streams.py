"""Streams, live and past."""

from __future__ import annotations

from server.accounts import Action, Resource
from server.errors import Conflict
from server.rooms.messages import DenoiseMode, StreamChange, StreamInfo, StreamState
from server.store.records import StoredStream
from server.web import schemas, views
from server.web.routing import Call, RouteTable

table = RouteTable("streams")

ENDED_BY_HOST = "ended"


async def load(call: Call) -> Resource:
    """The stream that the address names, live or stored. Raises NotFound."""
    stream_id = call.path("id")
    live = call.services.stream(stream_id)
    if live is not None:
        call.subject = live
        return await call.about("stream", live.id, live.principal)
    stored = await call.services.store.stream(stream_id)
    call.subject = stored
    return await call.about("stream", stored.id, stored.owner)


async def _show(call: Call, stream: StreamInfo | StoredStream) -> schemas.StreamOut:
    channel = await call.services.channel(stream.channel_id)
    if isinstance(stream, StreamInfo):
        return views.live_stream(stream, channel, call.actor)
    return views.past_stream(stream, channel, call.actor)


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
    if query.state == "live":
        newest = sorted(call.services.media.streams(), key=lambda item: item.started_at, reverse=True)
        shown = [await _show(call, item) for item in newest]
        return schemas.StreamList(items=shown, total=len(shown), next=None)
    page = await call.services.store.streams(limit=query.limit, cursor=query.cursor)
    shown = [await _show(call, call.services.stream(item.id) or item) for item in page.items]
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
    errors=(409,),
)
async def change_stream(call: Call) -> schemas.StreamOut:
    stream = _must_be_live(call.subject)
    wanted = call.body(schemas.StreamPatch)
    if wanted.denoise is not None and not stream.denoise.mode.denoises:
        raise Conflict("This stream began without noise removal and cannot switch it on.", code="denoise-absent")
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
