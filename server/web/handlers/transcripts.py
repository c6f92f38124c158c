"""What was said, as a file to take along: of a stream, live or over, and of a recording."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from server.accounts import Action
from server.errors import NotAllowed, NotFound
from server.rates import Rate
from server.recordings.exports.accounts import Extras, Talk
from server.recordings.exports.desk import Wanted
from server.recordings.exports.transcripts import FORMS
from server.recordings.naming import content_disposition, download_name
from server.rooms.messages import StreamInfo
from server.speech.transcript import Options
from server.store.records import Recording, StoredStream
from server.web.export_schemas import TranscriptQuery
from server.web.handlers.recordings import load as load_recording
from server.web.handlers.streams import load_to_read
from server.web.routing import Call, RouteTable

table = RouteTable("transcripts")

SUMMARY = "Everything that was said, as a file to take along"
DECLARED: dict[str, Any] = {"query": TranscriptQuery, "produces": "*/*", "errors": (409, 503), "rate": Rate.READ}


@table.route("GET", "/api/v1/streams/{id}/transcript", Action.READ_CAPTIONS, SUMMARY, resource=load_to_read, **DECLARED)
async def read_of_stream(call: Call) -> web.Response:
    stream: StreamInfo | StoredStream = call.subject
    try:
        recording = await call.services.store.recording(stream.id)
    except NotFound:
        recording = None
    return await _answer(call, _talk(stream, recording))


@table.route(
    "GET", "/api/v1/recordings/{id}/transcript", Action.READ_RECORDING, SUMMARY, resource=load_recording, **DECLARED
)
async def read_of_recording(call: Call) -> web.Response:
    recording: Recording = call.subject
    stream = call.services.stream(recording.stream_id) or await call.services.store.stream(recording.stream_id)
    return await _answer(call, _talk(stream, recording))


def _talk(stream: StreamInfo | StoredStream, recording: Recording | None) -> Talk:
    if isinstance(stream, StreamInfo):
        length, language, translated = stream.position, stream.captions.language, stream.wishes.translated
        host, owner = stream.host_name, stream.principal
    else:
        length, language, translated = stream.length, stream.language, stream.translated
        host, owner = stream.host, stream.owner
    title = recording.title if recording is not None else stream.title  # it may have been renamed since
    return Talk(stream.id, owner, title, host, stream.started_at, length, language, translated, recording)


async def _answer(call: Call, said: Talk) -> web.Response:
    query = call.query(TranscriptQuery)
    if query.whole and call.actor.id != said.owner:
        raise NotAllowed("What was trimmed away is its owner's only.")
    extras = Extras(
        version=query.version,
        part=Wanted(query.start, query.end, query.whole),
        options=Options(query.speakers, query.times, query.confidence),
        translation=query.translation,
        chat=query.chat,
        summary=query.summary,
    )
    form, desk = FORMS[query.format], call.services.transcripts
    written = await desk.written(form, await desk.transcript(said, extras))
    response = web.Response(body=written, content_type=form.media_type, charset="utf-8" if form.is_text else None)
    response.headers["Cache-Control"] = "private, no-cache"
    if query.download:
        name = download_name(said.title, said.started_at, form.name)
        response.headers["Content-Disposition"] = content_disposition(name)
    return response
