"""What people take along of recordings: sound in other formats, parts, speakers' tracks."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path
from urllib.parse import quote

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from server.accounts import Action
from server.clock import SAMPLE_RATE
from server.errors import NotAllowed, NotFound
from server.rates import Rate
from server.recordings.exports.audio import FORMATS
from server.recordings.exports.conversions import GivenUp
from server.recordings.exports.desk import Wanted
from server.recordings.naming import content_disposition, download_name
from server.recordings.tracks import ROOM
from server.store.records import Recording
from server.web import export_schemas as schemas
from server.web.handlers.recordings import load
from server.web.routing import Call, RouteTable

table = RouteTable("exports")

BASE = "/api/v1/recordings/{id}"
CLOSED_REQUEST = 499
"""Nobody reads it: whoever asked has gone."""


class HeldFile(web.FileResponse):
    """A file that may go once it has been sent."""

    def __init__(self, path: Path, release: Callable[[], None], headers: dict[str, str]) -> None:
        super().__init__(path, headers=headers)
        self._release = weakref.finalize(self, release)

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        try:
            return await super().prepare(request)
        finally:
            self._release()


def wanted_part(call: Call, query: schemas.PartQuery) -> Wanted:
    """Raises NotAllowed where somebody else wants what the owner has trimmed away."""
    recording: Recording = call.subject
    if query.whole and recording.owner != call.actor.id:
        raise NotAllowed("What was trimmed away is its owner's only.")
    return Wanted(query.start, query.end, query.whole)


@table.route(
    "GET",
    f"{BASE}/audio",
    Action.READ_RECORDING,
    "The sound, in the format and the part that is wanted; whole or in ranges of bytes (RFC 9110)",
    resource=load,
    query=schemas.AudioQuery,
    produces="audio/*",
    errors=(400, 409, 416, 503),
    rate=Rate.MEDIA,
)
async def read_audio(call: Call) -> web.StreamResponse:
    recording: Recording = call.subject
    query = call.query(schemas.AudioQuery)
    desk, form = call.services.export_desk, FORMATS[query.format]
    cut = await desk.cut(recording, form, query.version, wanted_part(call, query), query.track)
    headers = {"Content-Type": form.media_type, "Cache-Control": "private, no-cache"}
    if query.download:
        title = recording.title if cut is None else cut.tags["title"]
        title += " (before noise removal)" if query.version == "raw" else ""
        headers["Content-Disposition"] = content_disposition(download_name(title, recording.created_at, form.name))
    if cut is None:
        path = call.services.library.files.audio(recording.id, query.version)
        if not await asyncio.to_thread(path.is_file):
            raise NotFound("The recording has no such audio.", code="no-audio")
        await _check_range(call.request, path)
        return web.FileResponse(path, headers=headers)
    try:
        path = await desk.conversions.get(recording.id, cut, present(call.request))
    except GivenUp:
        return web.Response(status=CLOSED_REQUEST)
    answer = HeldFile(path, lambda: desk.conversions.release(path), headers)
    await _check_range(call.request, path)
    return answer


@table.route(
    "GET",
    f"{BASE}/audio/progress",
    Action.READ_RECORDING,
    "How far the file is that `/audio` would answer to the same question: it is made as long as somebody asks again "
    "within 20 s, and kept for a while",
    resource=load,
    query=schemas.AudioQuery,
    answer=schemas.AudioProgress,
    errors=(400, 409, 503),
    rate=Rate.MEDIA,
)
async def read_audio_progress(call: Call) -> schemas.AudioProgress:
    recording: Recording = call.subject
    query = call.query(schemas.AudioQuery)
    desk = call.services.export_desk
    part = wanted_part(call, query)
    cut = await desk.cut(recording, FORMATS[query.format], query.version, part, query.track)
    share = await desk.conversions.ready(recording.id, cut) if cut is not None else None
    return schemas.AudioProgress(ready=share is None, share=1.0 if share is None else round(share, 4))


def present(request: web.Request) -> Callable[[], bool]:
    """Whether whoever asked is still connected."""
    return lambda: request.transport is not None and not request.transport.is_closing()


async def _check_range(request: web.Request, path: Path) -> None:
    """A part that there is not is a problem like any other: aiohttp would answer it with an empty file."""
    if "Range" not in request.headers or "If-Range" in request.headers:
        return
    size = (await asyncio.to_thread(path.stat)).st_size
    try:
        start = request.http_range.start
    except ValueError:
        start = size
    if start is not None and start >= size:
        raise web.HTTPRequestRangeNotSatisfiable(headers={"Content-Range": f"bytes */{size}"})


@table.route(
    "GET",
    f"{BASE}/tracks",
    Action.READ_RECORDING,
    "Who speaks when, and each speaker's track",
    resource=load,
    query=schemas.PartQuery,
    answer=schemas.TrackList,
    errors=(409,),
)
async def list_tracks(call: Call) -> schemas.TrackList:
    recording: Recording = call.subject
    tracks = await call.services.export_desk.tracks(recording, wanted_part(call, call.query(schemas.PartQuery)))
    base = f"/api/v1/recordings/{recording.id}"
    return schemas.TrackList(
        items=[
            schemas.TrackOut(
                label=track.label,
                name=track.name,
                seconds=_seconds(track.seconds),
                words=track.words,
                overlap_s=_seconds(track.overlap_s),
                sample_url=f"{base}/speakers/{quote(track.label, safe='')}/sample",
                audio_url=f"{base}/audio?track={quote(track.label, safe='')}",
            )
            for track in await asyncio.to_thread(tracks.listed)
        ],
        room=schemas.RoomOut(seconds=_seconds(tracks.room_s), audio_url=f"{base}/audio?track={ROOM}"),
        start_s=_seconds(tracks.start / SAMPLE_RATE),
        end_s=_seconds(tracks.end / SAMPLE_RATE),
        turns=[(_seconds(start / SAMPLE_RATE), _seconds(end / SAMPLE_RATE), who) for start, end, who in tracks.turns()],
    )


def _seconds(value: float) -> float:
    return round(value, 3)


@table.route(
    "GET",
    f"{BASE}/tracks.zip",
    Action.READ_RECORDING,
    "Every speaker's track and the room, in one file",
    resource=load,
    query=schemas.TracksQuery,
    produces="application/zip",
    errors=(409, 503),
    rate=Rate.EXPENSIVE,
)
async def read_tracks(call: Call) -> web.StreamResponse:
    recording: Recording = call.subject
    query = call.query(schemas.TracksQuery)
    desk, form = call.services.export_desk, FORMATS[query.format]
    parts = desk.tracks_zip(recording, form, present(call.request), wanted_part(call, query))
    name = download_name(f"{recording.title} (tracks)", recording.created_at, "zip")
    response = web.StreamResponse(headers={"Content-Disposition": content_disposition(name)})
    response.headers["Cache-Control"] = "no-store"
    response.content_type = "application/zip"
    async with aclosing(parts):
        try:
            first = await anext(parts)  # what goes wrong does so before the answer begins
            await _send(call.request, response, first, parts)
        except GivenUp:
            return web.Response(status=CLOSED_REQUEST)
    return response


async def _send(
    request: web.Request, response: web.StreamResponse, first: bytes, parts: AsyncGenerator[bytes, None]
) -> None:
    await response.prepare(request)
    if request.method != "HEAD":
        await response.write(first)
        async for part in parts:
            await response.write(part)
    await response.write_eof()


@table.route(
    "GET",
    f"{BASE}/speakers/{{label}}/sample",
    Action.READ_RECORDING,
    "Five seconds of one speaker, to hear who it is",
    resource=load,
    produces="audio/wav",
    errors=(409,),
    rate=Rate.MEDIA,
)
async def read_sample(call: Call) -> web.Response:
    sound = await call.services.export_desk.sample(call.subject, call.path("label"))
    return web.Response(body=sound, content_type="audio/wav", headers={"Cache-Control": "private, no-cache"})
