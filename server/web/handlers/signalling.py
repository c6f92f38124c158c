"""WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): an offer in, an answer out.

Trickled candidates are taken; ICE restarts are not (422): whoever lost the connection posts a new offer, and the
stream goes on.
"""

from __future__ import annotations

import hashlib
import hmac

from aiohttp import web

from server.accounts import Action, authorise
from server.config import IceServer
from server.errors import ClearcastError, NotFound
from server.rooms.messages import DenoiseMode, ListenGrant, PeerAnswer, PublishGrant
from server.store.ids import new_id
from server.store.people_records import Access
from server.store.records import Channel
from server.web import schemas
from server.web.handlers.channels import load as load_channel
from server.web.handlers.channels import load_listener, load_to_listen
from server.web.routing import SDP_LIMIT, Call, RouteTable
from server.web.wishes import with_preferences

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"
STREAM = "Clearcast-Stream"
RESUME_TOKEN = "Clearcast-Resume-Token"  # noqa: S105 - the name of a header

table = RouteTable("signalling")


def ice_link(server: IceServer) -> str:
    """One Link header that names an ICE server (RFC 9725, section 4.6)."""
    link = f'<{server.urls}>; rel="ice-server"'
    if server.username is not None and server.credential is not None:
        link += f'; username="{_quoted(server.username)}"; credential="{_quoted(server.credential)}"'
        link += '; credential-type="password"'
    return link


def _quoted(text: str) -> str:
    """As a quoted-string (RFC 9110, section 5.6.4)."""
    visible = "".join(character for character in text if " " <= character <= "~")
    return visible.replace("\\", "\\\\").replace('"', '\\"')


def _vocabulary(*lists: str) -> str:
    """One list of the stream's, its owner's and the server's: the model is shown the beginning of one that is long."""
    return ", ".join(text for text in (text.strip(" ,") for text in lists) if text)


def _check_accept(call: Call) -> None:
    accepted = call.request.headers.get("Accept", "*/*").lower()
    if not any(part.split(";")[0].strip() in ("*/*", "application/*", SDP) for part in accepted.split(",")):
        raise ClearcastError("The answer is application/sdp; the Accept header rules that out.", code="not-acceptable")


def _signature(call: Call, kind: str, channel: Channel, peer_id: str) -> str:
    said = f"{kind}:{channel.id}:{peer_id}".encode()
    return hmac.new(call.services.session_key, said, hashlib.sha256).hexdigest()[:16]


def _peer(call: Call, kind: str) -> str:
    """The peer that the address names. The right to listen must not reach a publisher, nor one channel another's."""
    peer_id, _, signature = call.path("peer").partition(".")
    if not hmac.compare_digest(signature.encode(), _signature(call, kind, call.subject, peer_id).encode()):
        raise NotFound("There is no such session; it may have ended.")
    return peer_id


def _answered(call: Call, kind: str, channel: Channel, answer: PeerAnswer) -> web.Response:
    response = web.Response(status=201, body=answer.sdp.encode(), content_type=SDP)
    signature = _signature(call, kind, channel, answer.peer_id)
    response.headers["Location"] = f"/{kind}/{channel.slug}/{answer.peer_id}.{signature}"
    response.headers["ETag"] = f'"{answer.peer_id}"'
    response.headers["Accept-Patch"] = FRAGMENT
    for server in call.services.settings.ice_servers:
        response.headers.add("Link", ice_link(server))
    if answer.stream_id is not None:
        response.headers[STREAM] = answer.stream_id
    if answer.resume_token is not None:
        response.headers[RESUME_TOKEN] = answer.resume_token
    return response


@table.route(
    "POST",
    "/whip/{slug}",
    Action.PUBLISH,
    "Publish on a channel (WHIP)",
    resource=load_channel,
    query=schemas.PublishQuery,
    accepts=SDP,
    produces=SDP,
    status=201,
    limit=SDP_LIMIT,
    errors=(406, 409, 503),
    takes={RESUME_TOKEN: "From an earlier answer of the same stream: takes it over at once."},
    gives={
        STREAM: "The stream's id.",
        RESUME_TOKEN: "To be sent with a later offer; the same for the whole stream. Keep it secret.",
    },
)
async def publish(call: Call) -> web.Response:
    _check_accept(call)
    channel: Channel = call.subject
    query = await with_preferences(call, call.query(schemas.PublishQuery))
    settings = call.services.settings
    mode = DenoiseMode(query.denoise) if query.denoise is not None else DenoiseMode.ACTIVE
    record = settings.record if query.record is None else query.record
    refused = await call.services.quotas.refusal(call.actor.id) if record else ""
    grant = PublishGrant(
        channel_id=channel.id,
        principal=call.actor.id,
        host_name=channel.host,
        stream_id=new_id(),
        title=query.title or "",
        denoise=DenoiseMode.ABSENT if settings.denoise == "off" and mode.denoises else mode,
        record=record and not refused,
        recording_detail=refused,
        denoise_strength=query.denoise_strength,
        resume_token=call.request.headers.get(RESUME_TOKEN, "").strip() or None,
        post_filter=query.post_filter,
        captions=query.captions,
        language=query.language.lower() if query.language is not None else None,
        translate=query.translate,
        vocabulary=_vocabulary(query.vocabulary, settings.captions_vocabulary),
        speakers=query.speakers,
        min_speakers=query.min_speakers,
        max_speakers=query.max_speakers,
        voices=await call.services.voices.known(call.actor.id) if query.captions else [],
    )
    answer = await _publish(call, grant, Access(query.access) if query.access is not None else None)
    return _answered(call, "whip", channel, answer)


async def _publish(call: Call, grant: PublishGrant, access: Access | None) -> PeerAnswer:
    """Send the offer on. Who may hear a new stream is written down before anybody could."""
    services, channel_id = call.services, grant.channel_id
    live = services.media.live_on(channel_id)
    begun = live.id if live is not None else grant.stream_id
    if live is None and services.access.accounts:
        await services.access.begin(begun, channel_id, access)
    try:
        answer = await services.media.publish(call.text, grant)
    except BaseException:
        if live is None and services.access.accounts:
            await services.access.forget(begun)
        raise
    if answer.stream_id not in (None, begun) and services.access.accounts:  # the one before has just ended
        await services.access.begin(str(answer.stream_id), channel_id, access)
    services.guests.talks(channel_id, answer.peer_id, call.actor)
    services.oversight.on_air(channel_id)
    return answer


@table.route(
    "POST",
    "/whep/{slug}",
    Action.LISTEN,
    "Listen to a channel (WHEP)",
    resource=load_to_listen,
    accepts=SDP,
    produces=SDP,
    status=201,
    limit=SDP_LIMIT,
    errors=(406, 503),
)
async def listen(call: Call) -> web.Response:
    _check_accept(call)
    channel: Channel = call.subject
    grant = ListenGrant(channel_id=channel.id, principal=call.actor.id)
    services = call.services
    answer = await services.media.listen(call.text, grant)
    services.guests.admitted(answer.peer_id, call.actor)
    try:
        authorise(call.actor, Action.LISTEN, await load_listener(call))
    except ClearcastError:  # the right to it was lost meanwhile
        await services.media.remove(answer.peer_id, "access")
        raise
    return _answered(call, "whep", channel, answer)


async def _trickle(call: Call, kind: str) -> None:
    """RFC 8840 fragments. A restart names no entity tag or another one (RFC 9725, section 4.3.1)."""
    wanted = call.request.headers.get("If-Match")
    peer_id = _peer(call, kind)
    if wanted is not None and wanted.strip() == "*":
        raise ClearcastError("ICE restarts are not supported: send a new offer.", code="restart-unsupported")
    if wanted is not None and wanted.strip() != f'"{peer_id}"':
        raise ClearcastError("The entity tag is not that of this session.", code="precondition-failed")
    await call.services.media.trickle(peer_id, call.text)


async def _leave(call: Call, kind: str) -> web.Response:
    await call.services.media.remove(_peer(call, kind), "left")
    return web.Response(status=200)


@table.route(
    "PATCH",
    "/whip/{slug}/{peer}",
    Action.PUBLISH,
    "Trickle candidates of a publisher (RFC 8840)",
    resource=load_channel,
    accepts=FRAGMENT,
    limit=SDP_LIMIT,
    status=204,
    errors=(412, 422),
)
async def trickle_publisher(call: Call) -> None:
    await _trickle(call, "whip")


@table.route(
    "DELETE", "/whip/{slug}/{peer}", Action.PUBLISH, "Stop publishing", resource=load_channel, produces="text/plain"
)
async def stop_publishing(call: Call) -> web.Response:
    return await _leave(call, "whip")


@table.route(
    "PATCH",
    "/whep/{slug}/{peer}",
    Action.LISTEN,
    "Trickle candidates of a listener (RFC 8840)",
    resource=load_listener,
    accepts=FRAGMENT,
    limit=SDP_LIMIT,
    status=204,
    errors=(412, 422),
)
async def trickle_listener(call: Call) -> None:
    await _trickle(call, "whep")


@table.route(
    "DELETE", "/whep/{slug}/{peer}", Action.LISTEN, "Stop listening", resource=load_listener, produces="text/plain"
)
async def stop_listening(call: Call) -> web.Response:
    return await _leave(call, "whep")


async def _options(call: Call) -> web.Response:
    response = web.Response(status=204)
    if "peer" in call.request.match_info:
        response.headers["Accept-Patch"] = FRAGMENT
        response.headers["Allow"] = "DELETE, OPTIONS, PATCH"
    else:
        response.headers["Accept-Post"] = SDP
        response.headers["Allow"] = "OPTIONS, POST"
    for server in call.services.settings.ice_servers:
        response.headers.add("Link", ice_link(server))
    return response


for _path in ("/whip/{slug}", "/whip/{slug}/{peer}", "/whep/{slug}", "/whep/{slug}/{peer}"):
    # A browser's preflight comes without credentials and must not depend on what exists.
    table.route("OPTIONS", _path, Action.VIEW_PAGE, "What may be sent here", status=204)(_options)
