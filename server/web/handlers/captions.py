"""What is said in a stream: to read, to follow, to correct."""

from __future__ import annotations

from aiohttp import web

from server.accounts import Action
from server.rooms.messages import StreamInfo, StreamState
from server.speech import webvtt
from server.store.records import CaptionVersion, StoredStream
from server.web import caption_schemas as schemas
from server.web import caption_views as views
from server.web.handlers.streams import load as load_stream
from server.web.handlers.streams import load_to_read
from server.web.routing import Call, RouteTable

table = RouteTable("captions")

BASE = "/api/v1/streams/{id}"


def owner_of(call: Call) -> str:
    """The principal whose stream it is."""
    stream: StreamInfo | StoredStream = call.subject
    return stream.principal if isinstance(stream, StreamInfo) else stream.owner


def wanted_version(call: Call) -> CaptionVersion | None:
    """Which account the query names."""
    return call.query(schemas.VersionQuery).version


@table.route(
    "GET",
    f"{BASE}/captions",
    Action.READ_CAPTIONS,
    "Final captions of a stream, and its speakers",
    resource=load_to_read,
    query=schemas.CaptionQuery,
    answer=schemas.CaptionList,
)
async def list_captions(call: Call) -> schemas.CaptionList:
    query = call.query(schemas.CaptionQuery)
    desk, stream_id = call.services.caption_desk, call.subject.id
    version = await desk.version(stream_id, query.version)
    if query.words:
        page = await desk.page(stream_id, version, limit=query.limit, cursor=query.cursor, before=query.before)
    else:
        page = await desk.lines(stream_id, version, limit=query.limit, cursor=query.cursor)
    owned = owner_of(call) == call.actor.id
    items = page.items if owned else await desk.trimmed(stream_id, page.items)
    return schemas.CaptionList(
        items=[views.caption(item, owned=owned) for item in items],
        total=page.total,
        next=page.next,
        version=version.value,
        speakers=[views.speaker(item) for item in await desk.speakers(stream_id, version)],
    )


@table.route(
    "GET",
    f"{BASE}/captions.vtt",
    Action.READ_CAPTIONS,
    "Final captions of a stream as WebVTT, so far where it is live",
    resource=load_to_read,
    query=schemas.VersionQuery,
    produces=webvtt.TYPE,
)
async def read_webvtt(call: Call) -> web.StreamResponse:
    desk, stream_id = call.services.caption_desk, call.subject.id
    version = await desk.version(stream_id, wanted_version(call))
    live = isinstance(call.subject, StreamInfo) and call.subject.state is not StreamState.ENDED
    response = web.StreamResponse(headers={"Cache-Control": "no-store" if live else "private, no-cache"})
    response.content_type, response.charset = webvtt.TYPE, "utf-8"
    parts = desk.webvtt(stream_id, version)
    first = await anext(parts)  # what goes wrong does so before the answer begins
    await response.prepare(call.request)
    if call.request.method != "HEAD":
        await response.write(first.encode())
        async for part in parts:
            await response.write(part.encode())
    await response.write_eof()
    return response


@table.route(
    "PATCH",
    f"{BASE}/captions/{{number}}",
    Action.CHANGE_CAPTIONS,
    "Correct or hide a final caption",
    resource=load_stream,
    query=schemas.VersionQuery,
    body=schemas.CaptionPatch,
    answer=schemas.CaptionOut,
    errors=(409,),
)
async def change_caption(call: Call) -> schemas.CaptionOut:
    wanted = call.body(schemas.CaptionPatch)
    changed = await call.services.caption_desk.edit(
        call.subject.id,
        int(call.path("number")),
        text=wanted.text,
        speakers=wanted.speakers,
        hidden=wanted.hidden,
        version=wanted_version(call),
        by=(call.actor.id, call.services.clock.wall()),
    )
    return views.caption(changed, owned=True)


@table.route(
    "GET",
    f"{BASE}/captions/{{number}}/edits",
    Action.CHANGE_CAPTIONS,
    "What people have made of a caption, the last first",
    resource=load_stream,
    query=schemas.VersionQuery,
    answer=schemas.CorrectionList,
)
async def read_corrections(call: Call) -> schemas.CorrectionList:
    number = int(call.path("number"))
    found = await call.services.caption_desk.history(call.subject.id, number, wanted_version(call))
    items = [
        schemas.CorrectionOut(
            id=item.id,
            at=item.at,
            actor=item.actor,
            before=schemas.CorrectedOut(**item.before),
            after=schemas.CorrectedOut(**item.after),
            undone=item.undone,
        )
        for item in found
    ]
    return schemas.CorrectionList(items=items, total=len(items), next=None)


@table.route(
    "POST",
    f"{BASE}/captions/undo",
    Action.CHANGE_CAPTIONS,
    "Take back the last correction of an account; once more for the one before",
    resource=load_stream,
    query=schemas.VersionQuery,
    answer=schemas.CaptionOut,
    errors=(409,),
)
async def undo_correction(call: Call) -> schemas.CaptionOut:
    return views.caption(await call.services.caption_desk.undo(call.subject.id, wanted_version(call)), owned=True)


@table.route(
    "PATCH",
    f"{BASE}/speakers/{{label}}",
    Action.CHANGE_CAPTIONS,
    "Say who a speaker is, in past captions too",
    resource=load_stream,
    query=schemas.VersionQuery,
    body=schemas.SpeakerPatch,
    answer=schemas.SpeakerList,
    errors=(409,),
)
async def rename_speaker(call: Call) -> schemas.SpeakerList:
    name = call.body(schemas.SpeakerPatch).name
    desk = call.services.caption_desk
    return views.speakers(await desk.rename(call.subject.id, call.path("label"), name, wanted_version(call)))


@table.route(
    "DELETE",
    f"{BASE}/speakers/{{label}}/name",
    Action.CHANGE_CAPTIONS,
    "Take a speaker's name away",
    resource=load_stream,
    query=schemas.VersionQuery,
    answer=schemas.SpeakerList,
    errors=(409,),
)
async def forget_name(call: Call) -> schemas.SpeakerList:
    desk = call.services.caption_desk
    return views.speakers(await desk.rename(call.subject.id, call.path("label"), None, wanted_version(call)))


@table.route(
    "POST",
    f"{BASE}/speakers/{{label}}/merge",
    Action.CHANGE_CAPTIONS,
    "Say that two speakers are one person",
    resource=load_stream,
    query=schemas.VersionQuery,
    body=schemas.SpeakerMergeIn,
    answer=schemas.SpeakerList,
    errors=(409,),
)
async def merge_speakers(call: Call) -> schemas.SpeakerList:
    into = call.body(schemas.SpeakerMergeIn).into
    desk = call.services.caption_desk
    return views.speakers(await desk.merge(call.subject.id, call.path("label"), into, wanted_version(call)))


@table.route(
    "POST",
    f"{BASE}/speakers/{{label}}/unmerge",
    Action.CHANGE_CAPTIONS,
    "Take that back",
    resource=load_stream,
    query=schemas.VersionQuery,
    answer=schemas.SpeakerList,
    errors=(409,),
)
async def unmerge_speaker(call: Call) -> schemas.SpeakerList:
    desk = call.services.caption_desk
    return views.speakers(await desk.unmerge(call.subject.id, call.path("label"), wanted_version(call)))
