"""Rows that tests of the store begin with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from server.speech.captions import Caption
from server.speech.processor import Word
from server.store.ids import new_id
from server.store.records import Channel, Recording, RecordingState, StoredStream
from server.store.store import Store

NOW = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)


def channel(slug: str, minutes: int = 0) -> Channel:
    return Channel(new_id(), slug, slug.capitalize(), "Anna", "local", NOW + timedelta(minutes=minutes))


def stream(on: Channel, minutes: int = 0) -> StoredStream:
    return StoredStream(new_id(), on.id, "local", "Anna", "Talk", "live", NOW + timedelta(minutes=minutes))


def recording(of: StoredStream, **values: object) -> Recording:
    kept = Recording(
        id=of.id, stream_id=of.id, title="Talk", host="", owner="", channel_slug="", channel_name="",
        created_at=of.started_at, state=RecordingState.RECORDING,
    )  # fmt: skip
    return replace(kept, **values)  # type: ignore[arg-type]


async def talk(store: Store, slug: str = "anna") -> StoredStream:
    """A stream that the store knows."""
    home = channel(slug)
    await store.add_channel(home)
    said = stream(home)
    await store.save_stream(said)
    return said


def caption(number: int, text: str = "Hello there", speakers: Sequence[str] = ("S1",), rev: int = 1) -> Caption:
    """One final caption, ten seconds for each number, half a second a word."""
    start = number * 480_000
    words = tuple(
        Word(start + place * 24_000, start + place * 24_000 + 20_000, f" {word}", 0.75)
        for place, word in enumerate(text.split())
    )
    return Caption(number, rev, start, words[-1].end, tuple(speakers), words, len(words), final=True)
