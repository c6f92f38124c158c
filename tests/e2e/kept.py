"""Recordings with captions, made in seconds: the beginning of the demo's talk, and three hours of four people."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from server.accounts.home import default_channel
from server.audio.ogg import OggOpusWriter
from server.audio.opus import OpusEncoder
from server.client.demo import TALK
from server.client.media import read_blocks
from server.clock import PACKET, SAMPLE_RATE
from server.speech.captions import Caption
from server.speech.processor import Word
from server.speech.speakers import SpeakerName
from server.store.captions import CaptionBatch
from server.store.database import database_url
from server.store.records import Recording, RecordingState, StoredStream
from server.store.store import Store

LONG, SHORT = "longtalk", "shorttalk"
TITLE = "Brot: „Kruste“ / パン"
NAMES = ("Ana", "Tom", "Mira", None)
STARTED = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)
SPOKEN = (
    "the bread of a morning keeps its water so you give it another ten minutes with oven door open nobody ever waits "
    "and then I drove to work because we had no time left for anything but salt flour patience rye crust"
)
VOCABULARY = SPOKEN.split()
PAGE = 50
"""Packets of a page of the file."""
PEAKS = 1100


def conversation(seconds: float, captions: int, people: int = 4, seed: int = 7) -> list[Caption]:
    """`captions` sentences of `people`, one after the other, with a breath after each."""
    chance = random.Random(seed)
    each = int(seconds * SAMPLE_RATE / captions)
    said, speaker = [], 0
    for number in range(1, captions + 1):
        if number > 1 and chance.random() < (0.12 if people > 2 else 0.5):
            speaker = chance.choice([other for other in range(people) if other != speaker])
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


def talk(folder: Path, seconds: float) -> None:
    """The beginning of the demo's talk in both versions, the original with noise."""
    whole = np.concatenate(list(read_blocks(TALK)))
    count = min(len(whole), int(seconds * SAMPLE_RATE)) // PACKET
    clean = whole[: count * PACKET]
    clean[6 * SAMPLE_RATE : 8 * SAMPLE_RATE] = 0  # somebody thinks
    noise = 0.01 * np.random.default_rng(1).standard_normal(len(clean)).astype(np.float32)
    for name, samples in (("clean", clean), ("raw", clean + noise)):
        encoder = OpusEncoder(channels=1)
        writer = OggOpusWriter(encoder.lookahead, 7)
        data = [writer.header()]
        for at in range(count):
            writer.packet(encoder.encode(samples[at * PACKET : (at + 1) * PACKET]))
            if at % PAGE == PAGE - 1:
                data.append(writer.page())
        (folder / f"{name}.opus").write_bytes(b"".join([*data, writer.close()]))


async def keep(store: Store, kept: str, title: str, length: int, size: int, said: list[Caption], *, raw: bool) -> None:
    """The rows of one recording, whose files are there."""
    home = await default_channel(store)
    about = {"length": length, "recorded": True, "language": "en"}
    await store.save_stream(StoredStream(kept, home.id, "local", "Ana", title, "ended", STARTED, STARTED, **about))
    await store.save_recording(
        Recording(kept, kept, title, "", "", "", "", STARTED, RecordingState.READY, "", length, size, has_raw=raw)
    )
    labels = sorted({label for caption in said for label in caption.speakers})
    speakers = [
        SpeakerName(label, name, "person" if name else None) for label, name in zip(labels, NAMES, strict=False)
    ]
    for first in range(0, len(said), 500):
        await store.captions.save(CaptionBatch({kept: said[first : first + 500]}, {kept: speakers}))


async def write_long_talk(data_dir: Path, seconds: float = 3 * 3600.0, captions: int = 10_000) -> str:
    """A data folder with one long recording, whose id is returned: rows, an audio file of silence, peaks."""
    folder = data_dir / "recordings" / LONG
    folder.mkdir(parents=True)
    silence(folder / "clean.opus", seconds)
    chance = random.Random(3)
    peaks = [round(0.1 + 0.8 * chance.random() * (0.5 + 0.5 * (at // 40 % 2)), 4) for at in range(PEAKS)]
    (folder / "peaks.json").write_text(json.dumps({"step_s": seconds / PEAKS, "peaks": peaks, "pauses": []}))
    store = Store(database_url(None, data_dir))
    await store.open()
    size = (folder / "clean.opus").stat().st_size
    said = conversation(seconds, captions)
    await keep(store, LONG, "The bread that would not rise", int(seconds * SAMPLE_RATE), size, said, raw=False)
    await store.close()
    return LONG


async def write_short_talk(data_dir: Path, seconds: float = 12.0, captions: int = 8) -> str:
    """A data folder with one short recording that can be heard, whose id is returned."""
    folder = data_dir / "recordings" / SHORT
    folder.mkdir(parents=True)
    talk(folder, seconds)
    store = Store(database_url(None, data_dir))
    await store.open()
    size = sum(path.stat().st_size for path in folder.iterdir())
    await keep(
        store, SHORT, TITLE, int(seconds * SAMPLE_RATE), size, conversation(seconds, captions, people=2), raw=True
    )
    await store.close()
    return SHORT
