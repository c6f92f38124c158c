"""One model for many streams: finals first, nobody starved, stale work dropped, and a step that follows the load."""

from __future__ import annotations

import numpy as np
import pytest

from server.audio.frame import AudioFrame
from server.clock import SAMPLE_RATE
from server.speech.listening import Listening
from server.speech.processor import Failure, Request
from server.speech.schedule import Pace, RequestQueue
from server.speech.transcriber import LONGEST_STEP, SHORTEST_STEP
from tests.speech.scripted import Driver, ScriptedTalk, sound, spoken

S = SAMPLE_RATE


def request(droppable: bool = True, model: str = "transcribe", length: int = 1) -> Request:
    return Request(1, model, (np.zeros(length, np.float32),), 0, droppable)


def streams(queue: RequestQueue[str], now: int = 0, most: int = 1) -> list[str]:
    return [entry.stream for entry in queue.take(now, most).work]


def test_what_must_be_done_comes_first_by_its_deadline() -> None:
    queue = RequestQueue[str]()
    queue.put("interim", request(), 10)
    queue.put("late final", request(droppable=False), 30)
    queue.put("final", request(droppable=False), 20)
    assert [streams(queue) for _ in range(4)] == [["final"], ["late final"], ["interim"], []]


def test_what_is_stale_is_dropped_and_what_must_be_done_is_not() -> None:
    queue = RequestQueue[str]()
    queue.put("interim", request(), 10)
    queue.put("final", request(droppable=False), 10)
    turn = queue.take(now=11)
    assert [entry.stream for entry in turn.stale] == ["interim"]
    assert [entry.stream for entry in turn.work] == ["final"]
    assert queue.dropped == 1 and len(queue) == 0


def test_no_stream_starves() -> None:
    queue = RequestQueue[str]()
    for name in "abcd":
        queue.put(name, request(), 100)
    served = []
    for _ in range(40):
        (name,) = streams(queue)
        served.append(name)
        queue.put(name, request(), 50)  # always more urgent than the others
    assert {name: served.count(name) for name in "abcd"} == dict.fromkeys("abcd", 10)


def test_a_batch_is_of_one_kind() -> None:
    queue = RequestQueue[str]()
    for name, length in (("a", 1), ("b", 2), ("c", 1), ("d", 1)):
        queue.put(name, request(length=length), 10)
    turn = queue.take(0, most=2, alike=lambda asked: len(asked.arrays[0]))
    assert [entry.stream for entry in turn.work] == ["a", "c"]
    assert sorted(streams(queue, most=8)) == ["b", "d"]


def test_who_leaves_is_not_served() -> None:
    queue = RequestQueue[str]()
    queue.put("a", request(), 10)
    queue.leave("a")
    assert streams(queue) == []


def test_the_step_follows_the_load_within_its_limits() -> None:
    pace = Pace(busy=0.7)
    assert pace.step(1) == SHORTEST_STEP
    for _ in range(20):
        pace.spent(round(0.35 * S), streams=1)
    assert [pace.step(n) for n in (1, 2, 4, 50)] == [SHORTEST_STEP, S, 2 * S, LONGEST_STEP]
    for _ in range(100):
        pace.spent(round(0.35 * S), streams=4)
    assert pace.step(4) == SHORTEST_STEP
    with pytest.raises(ValueError):
        Pace(busy=0)


def test_four_streams_on_a_model_that_is_too_slow_lose_nothing() -> None:
    """Each pass takes 0.4 s: four streams would need three times the processor at the shortest step."""
    cost = round(0.4 * S)
    lines = spoken("every word of this talk has to come out although the model is far too slow for four")
    samples = sound(lines, 9.0)
    drivers = {name: Driver(Listening(), ScriptedTalk(lines)) for name in "abcd"}
    queue, pace = RequestQueue[str](), Pace()
    model_free, ends = 0, {}

    def ask(name: str, items: list[object], now: int) -> None:
        driver = drivers[name]
        driver.take([item for item in items if not isinstance(item, Request)])
        for item in items:
            if isinstance(item, Request) and item.model == "vad":
                ask(name, driver.listening.result(item.id, driver.vad(item)), now)
            elif isinstance(item, Request):
                queue.put(name, item, item.deadline)

    def work(now: int) -> None:
        nonlocal model_free
        while model_free <= now and len(queue):
            turn = queue.take(max(now, model_free))
            for entry in turn.stale:
                ask(entry.stream, drivers[entry.stream].listening.result(entry.request.id, Failure("", True)), now)
            for entry in turn.work:
                model_free = now + cost
                pace.spent(cost, 1)
                answer = drivers[entry.stream].transcribe(entry.request)
                ask(entry.stream, drivers[entry.stream].listening.result(entry.request.id, answer), now)
                ends[entry.stream] = model_free

    for begin in range(0, len(samples), 4800):
        for name, driver in drivers.items():
            driver.listening.transcriber.step = pace.step(len(drivers))
            ask(name, driver.listening.push(AudioFrame(begin, samples[begin : begin + 4800])), begin + 4800)
        work(begin + 4800)
    for name, driver in drivers.items():
        ask(name, driver.listening.flush(), len(samples))
    while len(queue):
        work(model_free)
    assert {driver.text for driver in drivers.values()} == {" ".join(text.strip() for _, _, text in lines)}
    assert max(ends.values()) < len(samples) + 2 * S
    assert all(driver.listening.done for driver in drivers.values())
