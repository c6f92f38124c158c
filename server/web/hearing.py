"""Who may listen to a channel: whoever may hear its stream, or, while there is none, the channel."""

from __future__ import annotations

from dataclasses import replace

from server.accounts import Actor, Resource, may_see
from server.accounts.access import About, about_stream
from server.store.records import Channel
from server.web.services import Services


async def to_listen(services: Services, actor: Actor, channel: Channel) -> Resource:
    """A channel as `Action.LISTEN` asks for it."""
    own, on_air = await _both(services, actor, channel)
    if on_air is None:
        return own
    return replace(own, access=on_air.access, standing=on_air.standing, locked=own.locked or on_air.locked)


async def to_read(services: Services, actor: Actor, channel: Channel) -> Resource:
    """A channel as everything else asks for it: it is there for whoever may hear what is on it, too."""
    own, on_air = await _both(services, actor, channel)
    if on_air is None or may_see(actor, own) or not may_see(actor, on_air):
        return own
    return replace(own, access=on_air.access, standing=on_air.standing)


async def _both(services: Services, actor: Actor, channel: Channel) -> tuple[Resource, Resource | None]:
    wanted = [About("channel", channel.id, channel.owner, channel.id)]
    stream = services.media.live_on(channel.id)
    if stream is not None:
        wanted.append(about_stream(stream))
    found = await services.access.about_all(actor, wanted)
    return found[0], found[1] if stream is not None else None
