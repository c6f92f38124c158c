"""Known voices."""

from __future__ import annotations

from server.accounts import Action, Resource
from server.store.records import Voice
from server.web import caption_schemas as schemas
from server.web import caption_views as views
from server.web.handlers.captions import BASE, owner_of, wanted_version
from server.web.handlers.streams import load as load_stream
from server.web.routing import Call, RouteTable
from server.web.schemas import PageQuery

table = RouteTable("voices")


async def load(call: Call) -> Resource:
    """The voice that the address names. Raises NotFound."""
    voice: Voice = await call.services.store.voices.get(call.path("id"))
    call.subject = voice
    return Resource("voice", voice.id, voice.owner)


@table.route(
    "POST",
    f"{BASE}/speakers/{{label}}/voice",
    Action.SAVE_VOICE,
    "Know this speaker by voice from now on, with consent",
    resource=load_stream,
    query=schemas.VersionQuery,
    body=schemas.Consent,
    answer=schemas.VoiceOut,
    status=201,
    errors=(409,),
)
async def save_voice(call: Call) -> schemas.VoiceOut:
    now, existing = call.services.clock.wall(), call.body(schemas.Consent).existing
    voice = await call.services.voices.save(
        owner_of(call), call.subject.id, call.path("label"), now, wanted_version(call), existing
    )
    return views.voice(voice)


@table.route(
    "GET", "/api/v1/voices", Action.LIST_VOICES, "Voices that one has saved", query=PageQuery, answer=schemas.VoiceList
)
async def list_voices(call: Call) -> schemas.VoiceList:
    query = call.query(PageQuery)
    page = await call.services.voices.page(call.actor.id, query.limit, query.cursor)
    return schemas.VoiceList(items=[views.voice(item) for item in page.items], total=page.total, next=page.next)


@table.route(
    "PATCH",
    "/api/v1/voices/{id}",
    Action.CHANGE_VOICE,
    "Rename a voice",
    resource=load,
    body=schemas.VoicePatch,
    answer=schemas.VoiceOut,
    errors=(409,),
)
async def rename_voice(call: Call) -> schemas.VoiceOut:
    return views.voice(await call.services.voices.rename(call.subject, call.body(schemas.VoicePatch).name))


@table.route("DELETE", "/api/v1/voices/{id}", Action.CHANGE_VOICE, "Forget a voice for good", resource=load, status=204)
async def delete_voice(call: Call) -> None:
    await call.services.voices.forget(call.subject)
