"""Caption times sit on the sound, in every file that is taken along, after gaps, reconnects and a fall of the server.

A publisher clicks; a recogniser that knows nothing but clicks says a word for each that it hears in the live stream.
The files are then opened by other people's readers: the clicks in the sound and the times of the words have to agree.
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import docx
import numpy as np
import pypdf
import pytest

from server.audio.frame import Samples
from server.audio.ogg import scan
from server.clock import PACKET, SAMPLE_RATE
from server.inference.caption_lane import (
    CaptionLane,
    CaptionOptions,
    Ear,
    LaneItem,
    LaneMemory,
    OnItems,
    Turns,
)
from server.recordings.caption_log import read as read_log
from server.recordings.exports.audio import FORMATS, Cut, write
from server.recordings.exports.transcripts import FORMS
from server.rooms.messages import known_caption, known_speakers
from server.speech.final import Account
from server.speech.processor import SpeakerTurn, Watermark, Word
from server.speech.transcript import Options, Transcript, clock, cut
from tests.recordings.sounding import heard_clicks, read
from tests.rooms.hearing import Hearing, ScriptedCaptions
from tests.rooms.runs import Runs, end
from tests.rooms.sound import tone

S = SAMPLE_RATE
APART = 62_411
"""Samples between two clicks: 1.3 s, never twice at the same place within a packet."""
TOLERANCE = S // 50
"""20 ms."""
LOUD = 0.15
"""Half of what the publisher sends: the scripted denoiser halves it."""
FROM, TO = round(2.321 * S), round(16.1 * S)


def clicking(said: int) -> Samples:
    """The 960 samples from there on of somebody who clicks all the time."""
    at = np.arange(said, said + PACKET)
    sound = 0.01 * np.sin(2 * np.pi * 300 * at / S)
    on = (at % APART >= 9_000) & (at % APART < 9_096)
    sound[on] = 0.8 * np.sign(np.sin(2 * np.pi * 3000 * (at[on] + 0.5) / S))
    return sound.astype(np.float32)


class ClickHearing(Hearing):
    """Says a word for each click, as soon as it is heard."""

    def _hear(self, sure: int) -> None:
        begin = max(self.start, self._said - S // 10)
        window = self.heard[Ear.WORDS][begin - self.start : sure - self.start]
        items: list[LaneItem] = []
        for place in heard_clicks(window, LOUD):
            at = begin + place
            if at >= self._said:
                items += [Word(at, at + S // 10, " click", 0.9), Turns((SpeakerTurn(at, at + S // 10, "S1", 1.0),), at)]
        self._said = max(self._said, sure)
        self.say(*items, Turns((), sure), Watermark(sure))


class ClickCaptions(ScriptedCaptions):
    """A service whose lanes know clicks."""

    def open(
        self, options: CaptionOptions, start: int, on_items: OnItems, memory: LaneMemory | None = None
    ) -> CaptionLane:
        self.lanes.append(ClickHearing(self, options, start, on_items, memory or LaneMemory()))
        return self.lanes[-1]


@dataclass(frozen=True)
class Recorded:
    """What is left of the stream."""

    audio: Path
    length: int
    account: Account

    def sound(self, name: str, start: int, end_: int) -> Samples:
        target = self.audio.with_name(f"part-{start}.{name}")
        write(Cut(self.audio, start, end_, FORMATS[name]), target, lambda done: None)
        return read(target)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return asyncio.run(_record(tmp_path_factory.mktemp("clicks")))


async def _record(folder: Path) -> Recorded:
    """A publisher who is lost and comes back, a server that falls and comes back."""
    runs = Runs(folder, captions=ClickCaptions(), diarization_ear="clean")
    await runs.now.publish(record=True)
    await runs.run(4, clicking)
    runs.now.peers.publishers[-1].state("lost")
    await runs.run(1.3, source=None)
    await runs.now.publish()
    await runs.run(4, clicking)
    await runs.run(2, lambda said: 0.5 * tone(said, 0.02))  # what was not final when a server falls is lost
    await runs.kill()
    await runs.begin(2.5, captions=ClickCaptions())
    await runs.now.publish()
    await runs.run(4, clicking)
    await end(runs.now)
    logged = read_log(runs.now.folder() / "events.jsonl")
    await runs.close()
    captions = sorted((known_caption(item) for item in logged.captions.values()), key=lambda item: item.start)
    path = runs.now.folder() / "clean.opus"
    with path.open("rb") as file:
        length = scan(file).duration_samples
    return Recorded(path, length, Account(tuple(captions), tuple(known_speakers(logged.speakers))))


def test_the_recogniser_heard_every_click_that_is_in_the_recording(recorded: Recorded) -> None:
    heard = heard_clicks(read(recorded.audio), LOUD)
    words = [word.start for caption in recorded.account.captions for word in caption.words]
    assert len(heard) >= 8
    assert max(np.diff(heard)) > 2 * S  # there were gaps
    assert len(words) == len(heard)
    assert max(abs(word - click) for word, click in zip(words, heard, strict=True)) <= TOLERANCE


def seconds_of(stamp: str) -> float:
    """1:02:03.456, or with a comma."""
    total = 0.0
    for part in stamp.replace(",", ".").split(":"):
        total = 60 * total + float(part)
    return total


def _csv(data: bytes) -> list[float]:
    return [float(row["start"]) for row in csv.DictReader(io.StringIO(data.decode()))]


def _json(data: bytes) -> list[float]:
    return [float(caption["words"][0]["start"]) for caption in json.loads(data)["captions"]]


def _cues(data: bytes) -> list[float]:
    return [seconds_of(found) for found in re.findall(r"^([\d:.,]+) -->", data.decode(), re.M)]


EXACT: dict[str, Callable[[bytes], list[float]]] = {"srt": _cues, "vtt": _cues, "csv": _csv, "json": _json}


def _pdf(data: bytes) -> str:
    return "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(data)).pages[1:])


def _docx(data: bytes) -> str:
    return "\n".join(paragraph.text for paragraph in docx.Document(io.BytesIO(data)).paragraphs)


TO_THE_SECOND: dict[str, Callable[[bytes], str]] = {"txt": bytes.decode, "md": bytes.decode, "pdf": _pdf, "docx": _docx}


@pytest.mark.parametrize(("start", "end_"), [(0, None), (FROM, TO)])
def test_words_and_clicks_agree_in_every_pair_of_files(recorded: Recorded, start: int, end_: int | None) -> None:
    last = recorded.length if end_ is None else end_
    part = Transcript(cut(recorded.account, start, last), {"title": "Clicks"}, Options(times=True))
    times = {name: parse(FORMS[name].write(part)) for name, parse in EXACT.items()}
    for name in FORMATS:
        clicks = heard_clicks(recorded.sound(name, start, last), LOUD)
        assert len(clicks) >= 5
        for form, found in times.items():
            assert len(found) == len(clicks), (name, form)
            assert max(abs(at * S - click) for at, click in zip(found, clicks, strict=True)) <= TOLERANCE, (name, form)
    first = heard_clicks(recorded.sound("wav", start, last), LOUD)[0]
    for form, text in TO_THE_SECOND.items():
        stamps = re.findall(r"\d+:\d\d(?::\d\d)?", text(FORMS[form].write(part)))
        assert stamps[0] in {clock(max(0, first - TOLERANCE)), clock(first + TOLERANCE)}, form
