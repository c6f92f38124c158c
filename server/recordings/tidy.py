"""What is kept for a while only, and goes by itself: recordings in the bin, and what strangers sound like."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from server.recordings.library import Library
from server.store.store import Store

KEEP_PRINTS = timedelta(days=7)
"""How long after a stream its speakers can still be saved as known voices. A voice identifies a person: of whoever was
not saved nothing is kept longer."""

EVERY = 6 * 3600.0
"""Seconds."""


async def tidy(library: Library, store: Store, now: datetime) -> None:
    """Remove what has been kept long enough."""
    await library.purge(now)
    await store.captions.forget_prints(now - KEEP_PRINTS)


async def keep_tidy(library: Library, store: Store) -> None:
    """The same again and again, for servers that are never stopped."""
    while True:
        await asyncio.sleep(EVERY)
        await tidy(library, store, datetime.now(UTC))
