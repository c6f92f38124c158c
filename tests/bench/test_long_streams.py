"""Streams that go on and on: an hour leaves nothing behind, and in silence nobody speaks."""

from __future__ import annotations

import gc
import itertools
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from server.audio.frame import Samples
from server.bench import simulated
from server.bench.simulated import Hearing, SimulatedStream, Simulation
from server.clock import SAMPLE_RATE
from server.inference.captioning import speaker_stream
from server.inference.recogniser import Recogniser
from server.inference.voice import SileroVad
from server.speech import heard
from server.speech.processor import Request, Word
from server.speech.transcriber import TranscriberSettings
from tests.inference.captioning.scripted import ScriptedDiarizer
from tests.speech.scripted import ScriptedTalk, scripted_vad, sound, spoken
from tests.talks import NANO

MINUTE = 60 * SAMPLE_RATE
PIECE = SAMPLE_RATE // 5
TEXT = "now every word has to come out. and none of them may be lost. " * 6
MEASURED = (20, 30, 40, 50, 60)
"""Minutes; at the first of them as many final captions are remembered as ever are."""


class Repeated:
    """A minute of audio over and over, without the room that it would take."""

    def __init__(self, minute: Samples, times: int) -> None:
        self._minute = minute
        self._length = times * len(minute)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, span: slice) -> Samples:
        """Spans that cross no minute."""
        begin = span.start % len(self._minute)
        return self._minute[begin : begin + span.stop - span.start]


class Thinned:
    """Every third sample: the sound of a script is loud or silent, and resampling an hour of it takes long."""

    def __init__(self, _rate_in: int, _rate_out: int) -> None:
        pass

    def push(self, samples: Samples) -> Samples:
        return samples[::3].copy()

    def flush(self) -> Samples:
        return np.zeros(0, np.float32)


class WatchedStream(SimulatedStream):
    """Compares each minute's final words with the script, and forgets what it told, as a listener does.

    `blocks` is how many pieces of memory Python holds, `resident` how many bytes the process has.
    """

    def __init__(self, samples: Any, hearing: Hearing) -> None:
        super().__init__(samples, hearing)
        self.minutes_right = 0
        self.blocks: list[int] = []
        self.resident: list[int] = []

    def push(self, begin: int, end: int, clock: int, step: int) -> None:
        super().push(begin, end, clock, step)
        if end % MINUTE == 0:
            said = [word.text.strip() for event in self.told if event.kind == "final" for word in event.caption.words]
            self.minutes_right += said == TEXT.split()
            for kept in (self.told, self.turns, self.who_items, self.steps):
                kept.clear()
        if end in [minute * MINUTE for minute in MEASURED]:
            gc.collect()
            self.blocks.append(sys.getallocatedblocks())
            self.resident.append(int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"))


@pytest.mark.slow
def test_an_hour_leaves_no_more_behind_than_twenty_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Talk in every minute, by two speakers in turn; policies, queues and captions are the real ones."""
    # Larger pieces than a live stream's: the same work in a fraction of the time.
    monkeypatch.setattr(heard, "StreamResampler", Thinned)
    monkeypatch.setattr(heard, "_BLOCK", PIECE)
    monkeypatch.setattr(simulated, "PACKET", PIECE)
    monkeypatch.setattr(speaker_stream, "STEP", SAMPLE_RATE)
    minute = spoken(TEXT)
    talk = ScriptedTalk(minute)

    def transcribe(request: Request) -> Any:
        # The script's own diary would grow.
        talk.windows.clear()
        talk.prompts.clear()
        start = int(float(request.options["start"] or 0))
        return talk(replace(request, options={**request.options, "start": start % MINUTE}))

    stream = WatchedStream(Repeated(sound(minute, 60.0), 60), Hearing(diarizer=ScriptedDiarizer(["S1", "S2"])))
    Simulation({"vad": scripted_vad, "transcribe": transcribe}).run([stream])
    assert stream.minutes_right == 60 and not stream.gaps
    # If words were kept, 40 minutes of them would be 12,000 blocks; a sixth of their audio would be 25 MB.
    assert max(stream.blocks) - stream.blocks[0] < 1_000, stream.blocks
    assert max(stream.resident) - stream.resident[0] < 16_000_000, stream.resident


def room(minutes: int) -> Samples:
    """Silence as microphones hear it: a hiss at -66 dBFS and a little hum, with a door now and then."""
    chance = np.random.default_rng(5)
    time = np.arange(minutes * MINUTE) / SAMPLE_RATE
    samples = chance.normal(0, 0.0005, len(time)) + 0.002 * np.sin(2 * np.pi * 50 * time)
    for at in chance.integers(0, len(time) - SAMPLE_RATE, 4 * minutes):
        knock = chance.normal(0, 0.2, SAMPLE_RATE // 4) * np.exp(-np.arange(SAMPLE_RATE // 4) / 1_500)
        samples[at : at + len(knock)] += knock
    found: Samples = samples.astype(np.float32)
    return found


def test_in_ten_minutes_of_silence_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real voice detector and the small recogniser, in a room with doors."""
    monkeypatch.setattr(simulated, "PACKET", SAMPLE_RATE)
    recogniser = Recogniser.load(NANO)
    asked = itertools.count()

    def transcribe(request: Request) -> Any:
        next(asked)
        return recogniser.answer(request)

    stream = SimulatedStream(room(10), Hearing(settings=TranscriberSettings(prompt=0)))
    Simulation({"vad": SileroVad().answer, "transcribe": transcribe}).run([stream])
    said: set[Word] = {word for event in stream.told for word in event.caption.words}
    assert len(said) <= 10, said
    assert next(asked) < 100  # nor is time spent on it
