"""One model's desk: batches, files after what is live, failures that stay alone, and a free event loop."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import numpy as np
import pytest

from server.inference.captioning.desk import Desk
from server.speech.processor import Failure, Request
from tests.inference.helpers import until


def request(number: int, droppable: bool = False, length: int = 1) -> Request:
    return Request(number, "transcribe", (np.zeros(length, np.float32),), 0, droppable)


class Model:
    """Answers with the numbers of requests once it may; keeps its batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.may = threading.Event()
        self.breaks_at: int | None = None

    def __call__(self, requests: Sequence[Request]) -> list[Any]:
        self.batches.append([request.id for request in requests])
        assert self.may.wait(30)
        if self.breaks_at in self.batches[-1]:
            raise RuntimeError("no")
        return [request.id for request in requests]


Make = Callable[..., Desk[str]]


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def answers() -> dict[int, Any]:
    return {}


@pytest.fixture
async def make(model: Model, answers: dict[int, Any]) -> AsyncIterator[Make]:
    made: list[Desk[str]] = []

    def make(**more: Any) -> Desk[str]:
        made.append(Desk("test", model, lambda _, asked, value: answers.update({asked.id: value}), lambda: 100, **more))
        return made[-1]

    yield make
    model.may.set()
    for desk in made:
        desk.close()


async def test_what_waits_goes_to_the_model_together(make: Make, model: Model, answers: dict[int, Any]) -> None:
    desk = make(most=4)
    desk.ask("a", request(0), 200)
    await until(lambda: model.batches == [[0]])
    for number in range(1, 7):
        desk.ask(f"s{number}", request(number), 200 + number)
    model.may.set()
    await until(lambda: len(answers) == 7)
    assert model.batches == [[0], [1, 2, 3, 4], [5, 6]]


async def test_only_what_is_alike_shares_a_batch(make: Make, model: Model, answers: dict[int, Any]) -> None:
    desk = make(most=4, alike=lambda asked: len(asked.arrays[0]))
    for number in range(6):
        desk.ask(f"s{number}", request(number, length=1 + number % 2), 200 + number)
    model.may.set()
    await until(lambda: len(answers) == 6)
    assert model.batches == [[0, 2, 4], [1, 3, 5]]


async def test_a_window_that_breaks_a_batch_fails_alone(make: Make, model: Model, answers: dict[int, Any]) -> None:
    desk = make(most=4)
    model.breaks_at = 2
    model.may.set()
    for number in range(4):
        desk.ask(f"s{number}", request(number), 200 + number)
    await until(lambda: len(answers) == 4)
    assert [answers[number] for number in (0, 1, 3)] == [0, 1, 3]
    assert isinstance(answers[2], Failure) and not answers[2].dropped
    assert desk.failures == 1


async def test_stale_work_is_answered_as_dropped_and_files_come_last(
    make: Make, model: Model, answers: dict[int, Any]
) -> None:
    desk = make()
    desk.ask("a", request(0), 200)
    await until(lambda: model.batches == [[0]])
    desk.ask("file", request(1), None)
    desk.ask("b", request(2, droppable=True), 50)
    desk.ask("c", request(3), 50)
    model.may.set()
    await until(lambda: len(answers) == 4)
    assert model.batches == [[0], [3], [1]]
    assert answers[2] == Failure("stale", dropped=True)
    assert desk.dropped == 1


async def test_nothing_is_asked_for_a_stream_that_left(make: Make, model: Model, answers: dict[int, Any]) -> None:
    desk = make()
    desk.ask("a", request(0), 200)
    await until(lambda: model.batches == [[0]])
    desk.ask("b", request(1), 200)
    desk.ask("c", request(2), 200)
    desk.leave("b")
    model.may.set()
    await until(lambda: len(answers) == 2)
    assert model.batches == [[0], [2]]
