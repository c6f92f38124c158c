"""Recordings that cannot be searched yet: they are older than searching is, or were taken apart by other rules."""

from __future__ import annotations

import asyncio

from server.errors import ClearcastError
from server.log import get_logger
from server.store.store import Store

AT_ONCE = 50
PAUSE_S = 0.02
"""Between two recordings: whoever is live writes to the same database."""
RETRY_S = 60.0

log = get_logger(__name__)


async def index_missing(store: Store) -> int:
    """Index every recording that is not; returns how many there were. Raises Unavailable."""
    count = 0
    while missing := await store.library.unindexed(AT_ONCE):
        for stream_id in missing:
            await store.library.index(stream_id)
            count += 1
            await asyncio.sleep(PAUSE_S)
    return count


async def keep_indexed(store: Store) -> None:
    """The same in the background of a start; what changes later is indexed as it changes."""
    while True:
        try:
            count = await index_missing(store)
        except ClearcastError as error:
            log.error("recordings cannot be made searchable now", error=error.message)
            await asyncio.sleep(RETRY_S)
            continue
        if count:
            log.info("recordings can be searched now", recordings=count)
        return
