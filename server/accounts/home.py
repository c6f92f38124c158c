"""The channel that everybody begins with."""

from __future__ import annotations

from datetime import UTC, datetime

from server.accounts.gate import host_name, local_actor
from server.store.ids import new_id, slugify
from server.store.records import Channel
from server.store.store import Store


async def default_channel(store: Store) -> Channel:
    """The first channel; made when there is none yet."""
    page = await store.channels(limit=1)
    if page.items:
        return page.items[0]
    name = host_name()
    channel = Channel(new_id(), slugify(name), name, name, local_actor().id, datetime.now(UTC))
    await store.add_channel(channel)
    return channel
