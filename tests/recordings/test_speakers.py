"""Who spoke for how long."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from server.recordings.speakers import SpeakerTalk, speakers_of
from server.speech.speakers import SpeakerName
from server.store.captions import CaptionBatch
from server.store.database import database_url
from server.store.records import CaptionVersion
from server.store.store import Store
from tests.store.rows import caption, talk


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = Store(database_url(None, tmp_path))
    await opened.open()
    yield opened
    await opened.close()


async def test_talk_time_words_and_turns_of_everybody(store: Store) -> None:
    stream = await talk(store)
    said = [
        caption(1, "One two three four", ["S1"]),
        caption(2, "Five six", ["S2", "S1"]),
        caption(3, "Seven", ["S3"]),
        replace(caption(4, "Hidden away", ["S2"]), hidden=True),
        replace(caption(5, "Heard wrongly", ["S1"]), text="What was really said here"),
        caption(6, "Nobody knows who", []),
        caption(7, "And on", ["S1"]),
    ]
    names = [SpeakerName("S1", "Anna", "person"), SpeakerName("S2"), SpeakerName("S3", merged_into="S2")]
    await store.captions.save(CaptionBatch({stream.id: said}, {stream.id: names}))
    anna, other = await speakers_of(store, stream.id)
    lengths = [(part.end - part.start) / 48_000 for part in said]
    spoken = lengths[0] + lengths[4] + lengths[6]
    whole = spoken + lengths[1] + lengths[2]
    assert anna == SpeakerTalk("S1", "Anna", round(spoken, 2), round(spoken / whole, 4), 4 + 5 + 2, 2)
    assert (other.label, other.name, other.words, other.turns) == ("S2", "Speaker 2", 3, 1)
    assert anna.share + other.share == pytest.approx(1.0, abs=1e-3)


async def test_nobody_speaks_in_silence_and_the_better_account_counts(store: Store) -> None:
    stream = await talk(store)
    assert await speakers_of(store, stream.id) == []
    await store.captions.save(CaptionBatch({stream.id: [caption(1)]}, {stream.id: [SpeakerName("S1")]}))
    await store.captions.replace(
        stream.id, CaptionVersion.FINAL, [caption(1, "Once more", ["S2"])], [SpeakerName("S2")]
    )
    assert [(item.label, item.words) for item in await speakers_of(store, stream.id)] == [("S2", 2)]
    live = await speakers_of(store, stream.id, CaptionVersion.LIVE)
    assert [(item.label, item.share) for item in live] == [("S1", 1.0)]
