"""Who listens, and who may no more."""

from __future__ import annotations

from server.accounts import Action
from server.errors import NotFound
from server.rooms.messages import StreamInfo, StreamState
from server.store.records import Channel, StoredStream
from server.web import access_schemas as schemas
from server.web.handlers.channels import load as load_channel
from server.web.handlers.streams import load as load_stream
from server.web.identity import caller_of
from server.web.routing import Call, RouteTable

table = RouteTable("access")

REMOVED = "removed"


def _goes_on(stream: StreamInfo | StoredStream) -> bool:
    return isinstance(stream, StreamInfo) and stream.state is not StreamState.ENDED


@table.route(
    "GET",
    "/api/v1/streams/{id}/listeners",
    Action.READ_AUDIENCE,
    "Who listens to a live stream, in the order in which they came",
    resource=load_stream,
    answer=schemas.ListenerList,
)
async def list_listeners(call: Call) -> schemas.ListenerList:
    here = call.services.guests.on(call.subject.channel_id) if _goes_on(call.subject) else []
    items = [
        schemas.ListenerOut(
            peer=guest.peer_id,
            person=schemas.Person(id=guest.actor.id, display_name=guest.actor.name) if guest.actor.id else None,
            since=guest.since,
        )
        for guest in here
    ]
    return schemas.ListenerList(items=items, total=len(items))


@table.route(
    "DELETE",
    "/api/v1/streams/{id}/listeners/{peer}",
    Action.REMOVE_LISTENER,
    "Have a listener leave, at once; they may come again unless they are banned",
    resource=load_stream,
    status=204,
)
async def remove_listener(call: Call) -> None:
    guest = call.services.guests.get(call.path("peer"))
    if guest is None or guest.channel_id != call.subject.channel_id or not _goes_on(call.subject):
        raise NotFound("There is no such listener; they may have left.", code="unknown-listener")
    await call.services.oversight.remove(guest, REMOVED)
    _note(call, "remove-listener", "stream", guest.actor.id)


@table.route(
    "GET",
    "/api/v1/channels/{slug}/bans",
    Action.READ_AUDIENCE,
    "Who is let in to a channel no more, the latest first",
    resource=load_channel,
    answer=schemas.BanList,
)
async def list_bans(call: Call) -> schemas.BanList:
    found = await call.services.store.access.bans(call.subject.id)
    items = [
        schemas.BanOut(person=schemas.Person(id=ban.user_id, display_name=ban.name), since=ban.created_at)
        for ban in found
    ]
    return schemas.BanList(items=items, total=len(items))


@table.route(
    "PUT",
    "/api/v1/channels/{slug}/bans/{user}",
    Action.REMOVE_LISTENER,
    "Let somebody in no more: to this channel, its streams and their recordings",
    resource=load_channel,
    status=204,
)
async def ban(call: Call) -> None:
    channel, user_id = call.subject, call.path("user")
    if user_id == channel.owner or user_id not in await call.services.store.access.people_there([user_id]):
        raise NotFound("There is nobody like that.", code="unknown-person")
    await call.services.store.access.ban(channel.id, user_id, call.services.clock.wall())
    _changed(call, "ban", user_id)


@table.route(
    "DELETE",
    "/api/v1/channels/{slug}/bans/{user}",
    Action.REMOVE_LISTENER,
    "Let somebody in again",
    resource=load_channel,
    status=204,
)
async def lift_ban(call: Call) -> None:
    channel: Channel = call.subject
    if not await call.services.store.access.lift_ban(channel.id, call.path("user")):
        raise NotFound("Nobody like that is banned.", code="unknown-ban")
    _changed(call, "lift-ban", call.path("user"))


def _changed(call: Call, action: str, user_id: str) -> None:
    call.services.circles.changed(user_id)
    _note(call, action, "channel", user_id)


def _note(call: Call, action: str, kind: str, user_id: str) -> None:
    address = caller_of(call.request).address
    call.services.audit.put(call.actor, action, kind, call.subject.id, address, detail=user_id)
