"""Known voices."""

from __future__ import annotations

from server.accounts import Action, Resource, authorise
from server.audio.wav import HEADER_BYTES, read_wav
from server.clock import SAMPLE_RATE
from server.errors import TooLarge
from server.rates import Rate
from server.store.records import Voice
from server.web import caption_schemas
from server.web import voice_schemas as schemas
from server.web import voice_views as views
from server.web.handlers.captions import BASE, owner_of, wanted_version
from server.web.handlers.streams import load as load_stream
from server.web.routing import Call, RouteTable

LONGEST_S = 30
"""Seconds of a sample."""
LIMIT = LONGEST_S * SAMPLE_RATE * 2 + HEADER_BYTES

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
    query=caption_schemas.VersionQuery,
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
    "GET",
    "/api/v1/voices",
    Action.LIST_VOICES,
    "Voices that one has saved, or those of them that are looked for",
    query=schemas.VoiceQuery,
    answer=schemas.VoiceList,
)
async def list_voices(call: Call) -> schemas.VoiceList:
    query = call.query(schemas.VoiceQuery)
    page = await call.services.voices.page(call.actor.id, query.limit, query.cursor, query.search)
    return schemas.VoiceList(items=[views.voice(item) for item in page.items], total=page.total, next=page.next)


@table.route(
    "POST",
    "/api/v1/voices",
    Action.CREATE_VOICE,
    "Know somebody by voice from now on, with consent, from a sample (WAV, mono, 48 kHz, 16 bits) of them alone",
    query=schemas.SampleQuery,
    accepts="audio/wav",
    answer=schemas.VoiceOut,
    status=201,
    limit=LIMIT,
    rate=Rate.EXPENSIVE,
    errors=(409, 503),
)
async def create_voice(call: Call) -> schemas.VoiceOut:
    query, samples = call.query(schemas.SampleQuery), read_wav(call.data)
    if len(samples) > LONGEST_S * SAMPLE_RATE:
        raise TooLarge(f"A sample takes at most {LONGEST_S} seconds.")
    heard = await call.services.voice_samples.heard(samples)
    now = call.services.clock.wall()
    return views.voice(await call.services.voices.learn(call.actor.id, query.name, heard, now, query.existing))


@table.route(
    "GET",
    "/api/v1/voices/{id}",
    Action.READ_VOICE,
    "One voice, and where it was met",
    resource=load,
    answer=schemas.VoiceDetail,
)
async def read_voice(call: Call) -> schemas.VoiceDetail:
    return views.detail(call.subject, await call.services.voices.met(call.subject))


@table.route(
    "PATCH",
    "/api/v1/voices/{id}",
    Action.CHANGE_VOICE,
    "Rename a voice, describe it, use it or not, say that it is right",
    resource=load,
    body=schemas.VoicePatch,
    answer=schemas.VoiceOut,
    errors=(409,),
)
async def change_voice(call: Call) -> schemas.VoiceOut:
    values = call.body(schemas.VoicePatch).model_dump(exclude_none=True)
    return views.voice(await call.services.voices.change(call.subject, values))


@table.route(
    "POST",
    "/api/v1/voices/{id}/merge",
    Action.CHANGE_VOICE,
    "Two voices are one person's: the other one stays",
    resource=load,
    body=schemas.VoiceMerge,
    answer=schemas.VoiceOut,
    errors=(409,),
)
async def merge_voice(call: Call) -> schemas.VoiceOut:
    into = await _other(call, call.body(schemas.VoiceMerge).into)
    return views.voice(await call.services.voices.merge(call.subject, into))


@table.route(
    "GET",
    f"{BASE}/speakers/{{label}}/voices",
    Action.SAVE_VOICE,
    "The voices that a speaker may have, the surest first",
    resource=load_stream,
    query=caption_schemas.VersionQuery,
    answer=schemas.LikelyList,
    errors=(409,),
)
async def likely_voices(call: Call) -> schemas.LikelyList:
    stream, label = call.subject.id, call.path("label")
    found = await call.services.voices.likely(owner_of(call), stream, label, wanted_version(call))
    return schemas.LikelyList(
        items=[schemas.Likely(voice=views.voice(voice), confidence=confidence) for voice, confidence in found]
    )


@table.route(
    "PUT",
    f"{BASE}/speakers/{{label}}/voice",
    Action.SAVE_VOICE,
    "A speaker is who has this voice: they get its name",
    resource=load_stream,
    query=caption_schemas.VersionQuery,
    body=schemas.VoiceChoice,
    status=204,
    errors=(409,),
)
async def assign_voice(call: Call) -> None:
    voice = await _other(call, call.body(schemas.VoiceChoice).voice_id)
    await call.services.voices.assign(voice, call.subject.id, call.path("label"), wanted_version(call))


async def _other(call: Call, voice_id: str) -> Voice:
    """A voice of one's own, named in a body. Raises NotFound for all others."""
    voice: Voice = await call.services.store.voices.get(voice_id)
    authorise(call.actor, Action.CHANGE_VOICE, Resource("voice", voice.id, voice.owner))
    return voice


@table.route("DELETE", "/api/v1/voices/{id}", Action.CHANGE_VOICE, "Forget a voice for good", resource=load, status=204)
async def delete_voice(call: Call) -> None:
    await call.services.voices.forget(call.subject)
