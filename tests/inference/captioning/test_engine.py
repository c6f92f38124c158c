"""All streams of the worker at scripted models, in this process."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import numpy as np
import pytest

from server.audio.frame import AudioFrame, Samples
from server.clock import SAMPLE_RATE
from server.inference.caption_lane import CaptionOptions, Ear, Finished, TurnRevision, Turns, Urgency
from server.inference.captioning.engine import Engine, Key, Opening, Told
from server.inference.captioning.models import Models
from server.speech.processor import Request, SpeakerTurn, Word
from server.speech.transcriber import Gap, Resume, TranscriberSettings
from tests.inference.captioning.helpers import Said
from tests.inference.captioning.scripted import ScriptedDiarizer
from tests.inference.helpers import until
from tests.speech.scripted import ScriptedTalk, scripted_vad, sound, spoken

S = SAMPLE_RATE
LINES = spoken("one two three four five six seven eight nine ten", start=0.5)
TEXT = "one two three four five six seven eight nine ten"
LENGTH = 5.0


class Running:
    """An engine, and what its streams said."""

    def __init__(self, models: Models, batch: int = 1, settings: TranscriberSettings | None = None) -> None:
        self.said: dict[Key, Said] = {}
        self.engine = Engine(models, settings or TranscriberSettings(), batch, self.now, self._tell)

    def now(self) -> int:
        return round(time.monotonic() * S)

    def _tell(self, key: Key, told: Told) -> None:
        self.said[key](told.items)

    def open(self, key: Key, options: CaptionOptions | None = None) -> Said:
        self.said[key] = Said()
        self.engine.open(key, Opening(options or CaptionOptions(), Resume()))
        return self.said[key]

    async def play(self, samples: Samples, *keys: Key, finish: bool = True) -> None:
        for begin in range(0, len(samples), 4800):
            for key in keys:
                for ear in Ear:
                    self.engine.push(key, ear, AudioFrame(begin, samples[begin : begin + 4800]), 0)
            await asyncio.sleep(0)
        for key in keys if finish else ():
            self.engine.finish(key)
        await until(lambda: not finish or all(self.said[key].finished for key in keys))


Start = Callable[..., Running]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    begun: list[Running] = []

    def begin(
        transcribe: Callable[[Sequence[Request]], list[Any]], diarizer: ScriptedDiarizer | None = None, **more: Any
    ) -> Running:
        models = Models(transcribe, lambda requests: [scripted_vad(request) for request in requests], diarizer)
        begun.append(Running(models, **more))
        return begun[-1]

    yield begin
    for running in begun:
        running.engine.close()


def script(talk: ScriptedTalk) -> Callable[[Sequence[Request]], list[Any]]:
    return lambda requests: [talk(request) for request in requests]


async def test_four_streams_share_one_model_and_are_all_heard(start: Start) -> None:
    talk, diarizer = ScriptedTalk(LINES), ScriptedDiarizer(["S1", "S2"])
    running = start(script(talk), diarizer)
    keys = [(1, lane) for lane in range(4)]
    for key in keys:
        running.open(key)
    await running.play(sound(LINES, LENGTH), *keys)
    for key in keys:
        said = running.said[key]
        assert said.text == TEXT and said.in_order()
        assert isinstance(said.items[-1], Finished)
        assert said.of(Turns)[-1].watermark == round(LENGTH * S)
    assert len(diarizer.opened) == 4
    assert max(diarizer.batches) > 1, "streams that wait are heard together"
    assert running.engine.keys() == []


async def test_a_model_that_fails_on_one_window_fails_nothing_else(start: Start) -> None:
    talk = ScriptedTalk(LINES)
    broken: list[Request] = []

    def transcribe(requests: Sequence[Request]) -> list[Any]:
        for request in requests:
            if not broken or request is broken[0]:
                broken.append(request)
                raise RuntimeError("this window cannot be decoded")
        return [talk(request) for request in requests]

    running = start(transcribe, batch=4)
    keys = [(1, lane) for lane in range(3)]
    for key in keys:
        running.open(key)
    await running.play(sound(LINES, LENGTH), *keys)
    assert [running.said[key].text for key in keys] == [TEXT] * 3


async def test_what_is_live_comes_before_a_file(start: Start) -> None:
    order: list[bool] = []
    both_wait = threading.Event()
    talk = ScriptedTalk(LINES)

    def transcribe(requests: Sequence[Request]) -> list[Any]:
        order.extend("temperature" in request.options for request in requests)
        both_wait.wait(10)
        return [talk(request) for request in requests]

    running = start(transcribe)
    file = running.open((1, 1), CaptionOptions(urgency=Urgency.FILE, language="en"))
    running.open((1, 2))
    await running.play(np.tile(sound(LINES, LENGTH), 12), (1, 1), finish=False)
    running.engine.finish((1, 1))
    await running.play(sound(LINES, LENGTH), (1, 2), finish=False)
    running.engine.finish((1, 2))
    both_wait.set()
    await until(lambda: file.finished)
    assert running.said[1, 2].text == TEXT
    assert order.index(False) <= 4, "no more of the file went first than was asked for already"


async def test_a_stream_that_falls_a_minute_behind_has_a_gap_and_goes_on(start: Start) -> None:
    talk = ScriptedTalk([(begin + 70, end + 70, text) for begin, end, text in LINES])
    slow = [True]

    def transcribe(requests: Sequence[Request]) -> list[Any]:
        while slow[0]:
            time.sleep(0.01)
        return [talk(request) for request in requests]

    running = start(transcribe)
    said = running.open((1, 1))
    noise = np.full(66 * S, 0.1, np.float32)
    await running.play(noise, (1, 1), finish=False)
    await until(lambda: bool(said.of(Gap)))
    slow[0] = False
    gap = said.of(Gap)[0]
    assert gap.start == 0 and 60 * S <= gap.end <= 61 * S
    rest = np.concatenate([np.zeros(4 * S, np.float32), sound(LINES, LENGTH)])
    for begin in range(0, len(rest), 4800):
        running.engine.push((1, 1), Ear.WORDS, AudioFrame(66 * S + begin, rest[begin : begin + 4800]), 0)
        await asyncio.sleep(0)
    running.engine.push((1, 1), Ear.SPEAKERS, AudioFrame(0, rest[:480]), 0)
    running.engine.finish((1, 1))
    await until(lambda: said.finished)
    assert said.text == TEXT
    assert said.in_order()


async def test_a_diarizer_that_fails_leaves_words_alone_and_begins_again(start: Start) -> None:
    class Failing(ScriptedDiarizer):
        failures = 0

        def hear(self, pushed: Any) -> Any:
            if self.failures < 1:
                self.failures += 1
                raise RuntimeError("no")
            return super().hear(pushed)

    diarizer = Failing(["S1"])
    running = start(script(ScriptedTalk(LINES)), diarizer)
    said = running.open((1, 1))
    await running.play(sound(LINES, LENGTH), (1, 1))
    assert said.text == TEXT
    marks = [turns.watermark for turns in said.of(Turns)]
    assert marks == sorted(marks) and marks[-1] == round(LENGTH * S)
    assert len(diarizer.opened) == 2


async def test_a_recording_that_takes_long_to_conclude_holds_up_no_live_stream(start: Start) -> None:
    """The models hear live streams while it is worked out who spoke in a recording of hours."""

    class Pondering(ScriptedDiarizer):
        asked, may = threading.Event(), threading.Event()

        def conclude(self, stream: list[int]) -> list[Any]:
            self.asked.set()
            assert self.may.wait(60)
            return [TurnRevision(0, stream[0], (SpeakerTurn(0, stream[0], "S9", 1.0),))]

    diarizer = Pondering(["S1", "S2"])
    running = start(script(ScriptedTalk(LINES)), diarizer)
    file, live = running.open((1, 1), CaptionOptions(urgency=Urgency.FILE)), running.open((1, 2))
    try:
        await running.play(sound(LINES, LENGTH), (1, 1), finish=False)
        running.engine.finish((1, 1))
        await until(diarizer.asked.is_set)
        await running.play(sound(LINES, LENGTH), (1, 2))
        assert live.finished and live.of(Turns)[-1].watermark == round(LENGTH * S)
        assert not file.finished and not file.of(TurnRevision)
    finally:
        diarizer.may.set()
    await until(lambda: file.finished)
    assert [turn.speaker for revision in file.of(TurnRevision) for turn in revision.turns] == ["S9"]


async def test_a_recording_whose_speakers_cannot_be_worked_out_keeps_its_words(start: Start) -> None:
    class Lost(ScriptedDiarizer):
        def conclude(self, stream: list[int]) -> list[Any]:
            raise MemoryError("too many embeddings")

    running = start(script(ScriptedTalk(LINES)), Lost(["S1"]))
    said = running.open((1, 1), CaptionOptions(urgency=Urgency.FILE))
    await running.play(sound(LINES, LENGTH), (1, 1))
    assert said.text == TEXT


async def test_without_a_recogniser_speakers_are_told_and_without_a_diarizer_words() -> None:
    said: list[Told] = []
    diarizer = ScriptedDiarizer(["S1"])
    voice = lambda requests: [scripted_vad(request) for request in requests]  # noqa: E731
    engine = Engine(
        Models(None, voice, diarizer), TranscriberSettings(), 1, lambda: 0, lambda key, told: said.append(told)
    )
    engine.open((1, 1), Opening(CaptionOptions(), Resume()))
    for ear in Ear:
        engine.push((1, 1), ear, AudioFrame(0, sound(LINES, LENGTH)), 0)
    engine.finish((1, 1))
    await until(lambda: bool(said) and isinstance(said[-1].items[-1], Finished))
    items = [item for told in said for item in told.items]
    assert not [item for item in items if isinstance(item, Word)]
    assert [item for item in items if isinstance(item, Turns)]
    engine.close()
