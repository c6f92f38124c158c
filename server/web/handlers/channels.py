"""Channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from server.accounts import Action, Resource, may_see
from server.accounts.access import about_stream
from server.store.ids import new_id, slugify
from server.store.records import Channel
from server.web import hearing, schemas, views
from server.web.routing import Call, RouteTable

table = RouteTable("channels")


async def load(call: Call) -> Resource:
    """The channel that the address names. Raises NotFound."""
    call.subject = await call.services.store.channel_by_slug(call.path("slug"))
    return await hearing.to_read(call.services, call.actor, call.subject)


async def load_to_listen(call: Call) -> Resource:
    """The same for whoever wants to listen. Raises NotFound."""
    call.subject = await call.services.store.channel_by_slug(call.path("slug"))
    return await hearing.to_listen(call.services, call.actor, call.subject)


async def load_listener(call: Call) -> Resource:
    """The same for whoever listens already: that nobody new is let in does not concern them. Raises NotFound."""
    return replace(await load_to_listen(call), locked=False)


async def _show_all(call: Call, channels: Sequence[Channel]) -> list[schemas.ChannelOut]:
    """As the actor sees them, in a constant number of queries."""
    access, media = call.services.access, call.services.media
    on_air = {item.id: stream for item in channels if (stream := media.live_on(item.id)) is not None}
    found = await access.about_all(call.actor, [about_stream(stream) for stream in on_air.values()])
    seen = {item.id for item in found if may_see(call.actor, item)}
    mine = {item.id for item in channels if item.owner == call.actor.id}
    mine_live = {("stream", stream.id) for stream in on_air.values() if stream.principal == call.actor.id}
    rules = await access.rules({("channel", id_) for id_ in mine} | mine_live)
    shown = []
    for item in channels:
        stream = on_air.get(item.id)
        out = None
        if stream is not None and stream.id in seen:
            rule = rules.get(("stream", stream.id))
            out = views.live_stream(stream, item, call.actor, rule.access if rule is not None else None)
        rule = rules.get(("channel", item.id))
        shown.append(views.channel(item, out, call.actor, rule.access if rule is not None else None))
    return shown


@table.route(
    "GET",
    "/api/v1/channels",
    Action.LIST_CHANNELS,
    "Channels that one may see, the oldest first",
    query=schemas.OwnedQuery,
    answer=schemas.ChannelList,
)
async def list_channels(call: Call) -> schemas.ChannelList:
    query = call.query(schemas.OwnedQuery)
    sight = await call.services.access.sight(call.actor)
    page = await call.services.store.channels(limit=query.limit, cursor=query.cursor, sight=sight, owner=query.owner)
    return schemas.ChannelList(items=await _show_all(call, page.items), total=page.total, next=page.next)


@table.route(
    "POST",
    "/api/v1/channels",
    Action.CREATE_CHANNEL,
    "A new channel",
    body=schemas.NewChannel,
    answer=schemas.ChannelOut,
    status=201,
    errors=(409,),
)
async def create_channel(call: Call) -> schemas.ChannelOut:
    wanted = call.body(schemas.NewChannel)
    channel = Channel(
        id=new_id(),
        slug=wanted.slug or slugify(wanted.name),
        name=wanted.name,
        host=call.actor.name,
        owner=call.actor.id,
        created_at=call.services.clock.wall(),
    )
    await call.services.store.add_channel(channel)
    return (await _show_all(call, [channel]))[0]


@table.route(
    "GET",
    "/api/v1/channels/{slug}",
    Action.READ_CHANNEL,
    "One channel and what is on it",
    resource=load,
    answer=schemas.ChannelOut,
)
async def read_channel(call: Call) -> schemas.ChannelOut:
    return (await _show_all(call, [call.subject]))[0]
