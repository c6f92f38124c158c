"""Recordings: list, rename, bin, listen, download."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from aiohttp import web

from server.accounts import Action, Resource, authorise
from server.clock import SAMPLE_RATE
from server.errors import NotFound
from server.rates import Rate
from server.recordings.library import RecordingChange
from server.speech.searching import parse
from server.store.library import Wanted
from server.store.records import Recording
from server.web import recording_views
from server.web.recording_schemas import (
    DeleteQuery,
    DetailQuery,
    PeaksOut,
    RecordingDetail,
    RecordingList,
    RecordingOut,
    RecordingPatch,
    RecordingQuery,
)
from server.web.routing import Call, RouteTable

table = RouteTable("recordings")

NARROWING = ("binned", "origin", "state", "language", "speaker", "collection", "since", "until")
"""Parameters of the list that are told the database as they are."""


def sample(second: float) -> int:
    """The sample at 48 kHz that is nearest to a second."""
    return round(second * SAMPLE_RATE)


async def load(call: Call) -> Resource:
    """The recording that the address names. Raises NotFound, for binned ones too."""
    recording = await call.services.library.get(call.path("id"))
    call.subject = recording
    return await call.about("recording", recording.id, recording.owner, recording.channel_id)


async def load_binned(call: Call) -> Resource:
    """The same for one that may be in the bin: there it is its owner's only."""
    recording = await call.services.store.recording(call.path("id"))
    call.subject = recording
    found = await call.about("recording", recording.id, recording.owner, recording.channel_id)
    return found if recording.deleted_at is None else replace(found, access=None)


@table.route(
    "GET",
    "/api/v1/recordings",
    Action.LIST_RECORDINGS,
    "Recordings that one may see, searched, narrowed down and sorted; or what of one's own is in the bin",
    query=RecordingQuery,
    answer=RecordingList,
)
async def list_recordings(call: Call) -> RecordingList:
    query, services = call.query(RecordingQuery), call.services
    if query.collection is not None:
        found = await services.store.collections.get(query.collection)
        authorise(call.actor, Action.READ_COLLECTION, await call.about("collection", found.id, found.owner))
    wanted = Wanted(
        owner=call.actor.id if query.binned else query.owner,
        search=parse(query.search) if query.search is not None and query.search.strip() else None,
        sort=query.sort or "",
        **{name: getattr(query, name) for name in NARROWING},
    )
    sight = await services.access.sight(call.actor)
    page = await services.store.library.page(wanted, sight=sight, limit=query.limit, cursor=query.cursor)
    shown = await recording_views.show_found(services, call.actor, page.items, searched=wanted.search is not None)
    return RecordingList(items=shown, total=page.total, next=page.next)


@table.route(
    "GET",
    "/api/v1/recordings/{id}",
    Action.READ_RECORDING,
    "One recording, and what is known of it",
    resource=load,
    query=DetailQuery,
    answer=RecordingDetail,
)
async def read_recording(call: Call) -> RecordingDetail:
    told = call.query(DetailQuery).speakers
    return await recording_views.detail(call.services, call.actor, call.subject, speakers=told)


@table.route(
    "PATCH",
    "/api/v1/recordings/{id}",
    Action.CHANGE_RECORDING,
    "Change title, description, language or trim of a recording",
    resource=load,
    body=RecordingPatch,
    answer=RecordingOut,
    errors=(409,),
)
async def change_recording(call: Call) -> RecordingOut:
    wanted = call.body(RecordingPatch)
    trim = wanted.trim
    change = RecordingChange(
        title=wanted.title,
        description=wanted.description,
        language=wanted.language,
        trim=(sample(trim.start_s), sample(trim.end_s)) if trim is not None else None,
        untrim="trim" in wanted.model_fields_set and trim is None,
    )
    changed = await call.services.library.change(call.subject, change)
    return await recording_views.show(call.services, call.actor, changed)


@table.route(
    "DELETE",
    "/api/v1/recordings/{id}",
    Action.DELETE_RECORDING,
    "Move a recording to the bin, for 30 days where the server's setting says nothing else; or delete it for good",
    resource=load_binned,
    query=DeleteQuery,
    status=204,
    errors=(409,),
)
async def delete_recording(call: Call) -> None:
    library = call.services.library
    if call.query(DeleteQuery).forever:
        await library.erase(call.subject)
    else:
        await library.delete(await library.get(call.subject.id))


@table.route(
    "POST",
    "/api/v1/recordings/{id}/restore",
    Action.DELETE_RECORDING,
    "Take a recording out of the bin",
    resource=load_binned,
    answer=RecordingOut,
)
async def restore_recording(call: Call) -> RecordingOut:
    return await recording_views.show(call.services, call.actor, await call.services.library.restore(call.subject))


@table.route(
    "GET",
    "/api/v1/recordings/{id}/peaks",
    Action.READ_RECORDING,
    "What the waveform is drawn from",
    resource=load,
    answer=PeaksOut,
    errors=(409,),
    rate=Rate.MEDIA,
)
async def read_peaks(call: Call) -> PeaksOut:
    drawn = await call.services.library.peaks(call.subject)
    return PeaksOut(step_s=drawn.step_s, peaks=drawn.peaks, pauses=[list(pause) for pause in drawn.pauses])


@table.route(
    "GET",
    "/api/v1/recordings/{id}/spectrogram",
    Action.READ_RECORDING,
    "Level by time and pitch: a black picture, at most 2400 by 256, whose opacity is the level; 0 to 12 kHz in mel",
    resource=load,
    produces="image/png",
    errors=(404,),
    rate=Rate.MEDIA,
)
async def read_spectrogram(call: Call) -> web.StreamResponse:
    recording: Recording = call.subject
    path = call.services.library.files.spectrogram(recording.id)
    if not await asyncio.to_thread(path.is_file):
        raise NotFound("It is drawn when the recording is finished.", code="not-drawn")
    return web.FileResponse(path, headers={"Content-Type": "image/png", "Cache-Control": "private, no-cache"})
