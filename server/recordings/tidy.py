"""What is kept for a while only, and goes by itself: recordings in the bin, and what strangers sound like."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from server.log import get_logger
from server.recordings.library import Library
from server.store.store import Store

KEEP_PRINTS = timedelta(days=7)
"""How long after a stream its speakers can still be saved as known voices. A voice identifies a person: of whoever was
not saved nothing is kept longer."""

EVERY = 6 * 3600.0
"""Seconds."""

log = get_logger(__name__)


async def tidy(library: Library, store: Store, now: datetime, retention_days: int = 0) -> None:
    """Remove what has been kept long enough: recordings of any age where `retention_days` is 0."""
    if retention_days:
        gone = await library.retire(now - timedelta(days=retention_days))
        if gone:
            log.info("recordings went to the bin by their age", recordings=gone, days=retention_days)
    await library.purge(now)
    await store.captions.forget_prints(now - KEEP_PRINTS)


async def keep_tidy(library: Library, store: Store, retention_days: int = 0) -> None:
    """The same again and again, for servers that are never stopped."""
    while True:
        await asyncio.sleep(EVERY)
        await tidy(library, store, datetime.now(UTC), retention_days)
