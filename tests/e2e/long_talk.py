"""A long recording that was never spoken: three hours, four speakers, thousands of captions, made in seconds."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from pathlib import Path

from server.accounts.home import default_channel
from server.audio.ogg import OggOpusWriter
from server.clock import PACKET, SAMPLE_RATE
from server.speech.captions import Caption
from server.speech.processor import Word
from server.speech.speakers import SpeakerName
from server.store.captions import CaptionBatch
from server.store.database import database_url
from server.store.records import Recording, RecordingState, StoredStream
from server.store.store import Store

ID = "longtalk"
STARTED = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)
SPOKEN = (
    "the bread of a morning keeps its water so you give it another ten minutes with oven door open nobody ever waits "
    "and then I drove to work because we had no time left for anything but salt flour patience rye crust"
)
VOCABULARY = SPOKEN.split()
PAGE = 50
"""Packets of a page of the file."""


def conversation(seconds: float, captions: int, seed: int = 7) -> list[Caption]:
    """`captions` sentences of four people, one after the other, with a breath after each."""
    chance = random.Random(seed)
    each = int(seconds * SAMPLE_RATE / captions)
    said, speaker = [], 0
    for number in range(1, captions + 1):
        if chance.random() < 0.12:
            speaker = chance.choice([other for other in range(4) if other != speaker])
        start, count = (number - 1) * each, chance.randrange(3, 14)
        step = each * 9 // 10 // count
        texts = [f" {chance.choice(VOCABULARY)}" for _ in range(count)]
        if number == captions:
            texts[-1] = " zwieback"
        words = tuple(
            Word(start + at * step, start + (at + 1) * step, text, 0.9 if chance.random() > 0.02 else 0.2)
            for at, text in enumerate(texts)
        )
        said.append(Caption(number, 1, start, words[-1].end, (f"S{speaker + 1}",), words, count, final=True))
    return said


def silence(path: Path, seconds: float) -> None:
    """An Ogg/Opus file of silence."""
    writer = OggOpusWriter(312, 7)
    with path.open("wb") as file:
        file.write(writer.header())
        for _ in range(int(seconds * SAMPLE_RATE) // PACKET // PAGE):
            writer.silence(PAGE)
            file.write(writer.page())
        file.write(writer.close())


async def write_long_talk(data_dir: Path, seconds: float = 3 * 3600.0, captions: int = 10_000) -> str:
    """A data folder with one recording, whose id is returned: rows, an audio file of silence, peaks."""
    folder = data_dir / "recordings" / ID
    folder.mkdir(parents=True)
    silence(folder / "clean.opus", seconds)
    count = 1100
    chance = random.Random(3)
    peaks = [round(0.1 + 0.8 * chance.random() * (0.5 + 0.5 * (at // 40 % 2)), 4) for at in range(count)]
    (folder / "peaks.json").write_text(json.dumps({"step_s": seconds / count, "peaks": peaks, "pauses": []}))
    store = Store(database_url(None, data_dir))
    await store.open()
    home = await default_channel(store)
    length, size = int(seconds * SAMPLE_RATE), (folder / "clean.opus").stat().st_size
    await store.save_stream(
        StoredStream(
            ID, home.id, "local", "Ana", "Bread", "ended", STARTED, STARTED, length=length, recorded=True, language="en"
        )
    )
    await store.save_recording(
        Recording(
            ID, ID, "The bread that would not rise", "", "", "", "", STARTED, RecordingState.READY, "", length, size
        )
    )
    names = ["Ana", "Tom", "Mira", None]
    speakers = [
        SpeakerName(f"S{number}", name, "person" if name else None, None, None) for number, name in enumerate(names, 1)
    ]
    said = conversation(seconds, captions)
    for first in range(0, captions, 500):
        await store.captions.save(CaptionBatch({ID: said[first : first + 500]}, {ID: speakers}))
    await store.close()
    return ID
