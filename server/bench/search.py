"""How soon a search answers in a library of a thousand recordings: `clearcast bench search`.

A database of its own with recordings whose words are as frequent as words are (Zipf's law: the commonest is in most
captions, the rarest in one). Asked for is the first page, with the captions that say it, as somebody sees it who has an
account; every search is asked several times, and the time is from the question to the page.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from server.bench.common import emit, note
from server.speech.captions import Caption
from server.speech.searching import parse
from server.speech.speakers import SpeakerName
from server.store.database import database_url
from server.store.library import Wanted
from server.store.people_records import Sight
from server.store.records import CaptionVersion, Channel, Recording, RecordingState, StoredStream
from server.store.store import Store

BAR_MS = 100.0
PAGE = 20
VOCABULARY = 20_000
WORDS = 12
"""Of a caption."""
CAPTION = 4 * 48_000
"""Samples."""


@dataclass(frozen=True, slots=True)
class Library:
    """How much there is to be searched."""

    recordings: int
    captions: int
    """Of each recording."""


def vocabulary() -> list[str]:
    """Words, the commonest first."""
    made = random.Random(1)  # noqa: S311 - nothing secret
    return ["".join(made.choices("etaoinshrdlucmfwypvbgkjqxz", k=made.randint(2, 10))) for _ in range(VOCABULARY)]


def searches(words: list[str]) -> dict[str, str]:
    """What is looked for, by what it is an example of."""
    return {
        "commonest": f"{words[0]} ",
        "two common": f"{words[1]} {words[2]} ",
        "rare": f"{words[5_000]} ",
        "common and rare": f"{words[3]} {words[2_000]} ",
        "phrase": f'"{words[0]} {words[1]}"',
        "one letter": words[0][:1],
        "being typed": words[40][:3],
        "six words": " ".join(words[10:16]),
        "nothing": "zzzzzzzzzz",
    }


async def fill(store: Store, library: Library, words: list[str]) -> None:
    """Write the recordings down."""
    made = random.Random(2)  # noqa: S311 - nothing secret
    frequencies = list(accumulate(1.0 / rank for rank in range(1, len(words) + 1)))
    home, now = Channel("home", "home", "Home", "Anna", "anna", datetime.now(UTC)), datetime.now(UTC)
    await store.add_channel(home)
    for number in range(library.recordings):
        id_, at = f"recording-{number}", now - timedelta(hours=number)
        title = " ".join(made.choices(words, cum_weights=frequencies, k=4))
        await store.save_stream(StoredStream(id_, home.id, "anna", "Anna", title, "ended", at, at, recorded=True))
        await store.save_recording(Recording(id_, id_, title, "", "", "", "", at, RecordingState.READY))
        captions = [
            Caption(place, 1, place * CAPTION, (place + 1) * CAPTION, ("S1",), (), 0, True, text=text)
            for place in range(1, library.captions + 1)
            for text in [" ".join(made.choices(words, cum_weights=frequencies, k=WORDS))]
        ]
        await store.captions.replace(id_, CaptionVersion.FINAL, captions, [SpeakerName("S1", "Anna", "person")])


async def ask(store: Store, looked_for: dict[str, str], times: int) -> dict[str, list[float]]:
    """Milliseconds of every answer, by search."""
    found: dict[str, list[float]] = {}
    for name, text in looked_for.items():
        for _ in range(times + 1):
            began = time.perf_counter()
            await store.library.page(Wanted(search=parse(text)), sight=Sight("anna"), limit=PAGE)
            found.setdefault(name, []).append(1_000 * (time.perf_counter() - began))
        found[name] = found[name][1:]  # statements are put together the first time
    return found


async def measure(library: Library, times: int) -> dict[str, Any]:
    """The JSON object of the bench."""
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="clearcast-search-"))
    words = vocabulary()
    store = Store(database_url(None, folder))
    try:
        await store.open()
        note(f"writing down {library.recordings} recordings of {library.captions} captions …")
        began = time.perf_counter()
        await fill(store, library, words)
        filled = time.perf_counter() - began
        size = (await asyncio.to_thread((folder / "clearcast.db").stat)).st_size
        found = await ask(store, searches(words), times)
    finally:
        await store.close()
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    return {**figures(library, found), "filled_s": round(filled, 1), "database_mb": round(size / 1e6, 1)}


def figures(library: Library, found: dict[str, list[float]]) -> dict[str, Any]:
    """What is printed."""
    everything = [answer for answers in found.values() for answer in answers]
    medians = {name: round(float(np.median(answers)), 1) for name, answers in found.items()}
    p95 = float(np.percentile(everything, 95))
    return {
        "recordings": library.recordings,
        "captions": library.recordings * library.captions,
        "search_ms": medians,
        "p50_ms": round(float(np.median(everything)), 1),
        "p95_ms": round(p95, 1),
        "bar_ms": BAR_MS,
        "holds": p95 < BAR_MS,
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("--recordings", type=int, default=1_000)
    parser.add_argument("--captions", type=int, default=200, help="of each recording")
    parser.add_argument("--times", type=int, default=10, help="that every search is asked")


def run(arguments: argparse.Namespace) -> int:
    """Measure and print; 1 where it takes longer than it may."""
    result = asyncio.run(measure(Library(arguments.recordings, arguments.captions), arguments.times))
    emit(result, arguments)
    return 0 if result["holds"] else 1
