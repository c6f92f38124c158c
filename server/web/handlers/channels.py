"""Channels."""

from __future__ import annotations

from server.accounts import Action, Resource
from server.store.ids import new_id, slugify
from server.store.records import Channel
from server.web import schemas, views
from server.web.routing import Call, RouteTable

table = RouteTable("channels")


async def load(call: Call) -> Resource:
    """The channel that the address names. Raises NotFound."""
    channel: Channel = await call.services.store.channel_by_slug(call.path("slug"))
    call.subject = channel
    return await call.about("channel", channel.id, channel.owner)


@table.route(
    "GET",
    "/api/v1/channels",
    Action.LIST_CHANNELS,
    "All channels, the default one first",
    query=schemas.PageQuery,
    answer=schemas.ChannelList,
)
async def list_channels(call: Call) -> schemas.ChannelList:
    query = call.query(schemas.PageQuery)
    page = await call.services.store.channels(limit=query.limit, cursor=query.cursor)
    items = [views.channel(item, call.services.media.live_on(item.id), call.actor) for item in page.items]
    return schemas.ChannelList(items=items, total=page.total, next=page.next)


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
    return views.channel(channel, None, call.actor)


@table.route(
    "GET",
    "/api/v1/channels/{slug}",
    Action.READ_CHANNEL,
    "One channel and what is on it",
    resource=load,
    answer=schemas.ChannelOut,
)
async def read_channel(call: Call) -> schemas.ChannelOut:
    channel: Channel = call.subject
    return views.channel(channel, call.services.media.live_on(channel.id), call.actor)
