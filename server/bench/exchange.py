"""How long a hop takes to the denoise worker and back when there is no model: `clearcast bench exchange`.

A process of its own gives back what it is given, over the shared memory and the wake-ups that serve the streams. Every
10 ms each stream hands in a hop; a round trip ends when the answer of the last stream has been taken. Every half second
the same two processes do the least that anything could do in its place: the same wake-ups, and the audio copied as one
piece three times, without anybody knowing whose it is. Linux tells how long the two were ready to run while others did,
so on a busy machine `undisturbed_…` tells of the round trips in which neither had to wait.
"""

from __future__ import annotations

import argparse
import gc
import os
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from server.audio.frame import Samples
from server.bench.common import emit, main, note
from server.clock import HOP, SAMPLE_RATE
from server.errors import Unavailable
from server.inference.exchange.area import Area, Descriptors, clear
from server.inference.exchange.host import HostEnd
from server.inference.exchange.worker import WorkerEnd
from server.process import raise_priority

BAR_MS = 1.0
_PATIENCE_S = 10.0
_WARM = 20
"""Round trips of each way before those that count."""
_UNDISTURBED_MS = 0.05
"""Waiting for a core that is taken for none: a switch of processes takes some of it."""
_TURN = 50
"""Round trips of one way before the other has its turn."""

_ECHO = "import sys; from server.bench.exchange import echo; echo(*map(int, sys.argv[1:]))"


def echo(capacity: int, parent: int, *descriptors: int) -> None:
    """The other process: answers every hop with itself, until its parent is gone."""
    raise_priority()  # as the worker does
    end = WorkerEnd(Area(Descriptors(*descriptors[:3]), capacity))
    floor = Area(Descriptors(*descriptors[3:]), capacity)
    wanted = np.ones(capacity, np.bool_)
    poll = select.poll()
    for area in (end.area, floor):
        poll.register(area.descriptors.requests, select.POLLIN)
        os.eventfd_write(area.descriptors.answers, 1)  # ready
    gc.collect()
    gc.freeze()  # as the worker does
    while os.getppid() == parent:
        ready = dict(poll.poll(500))
        if floor.descriptors.requests in ready:
            clear(floor.descriptors.requests)
            floor.answer_audio[:capacity] = floor.request_audio[:capacity]
            os.eventfd_write(floor.descriptors.answers, 1)
        if end.area.descriptors.requests in ready:
            end.woken()
            while (batch := end.take(0)) is not None:
                end.answer(batch, batch.indices, batch.hops, wanted[: len(batch.slots)])
                end.signal()
                end.beat()
            end.closed()


class _Way(Protocol):
    """One way there and back. Both raise Unavailable when the other process does not answer."""

    def round_trip(self, number: int) -> None: ...

    def wrong(self, number: int) -> int:
        """How many of the hops came back from the last round trip in another shape than they went."""
        ...


class _Exchange:
    """As the lanes of all streams use it in a beat."""

    def __init__(self, area: Area, hops: Samples) -> None:
        self._wait = _Answers(area)
        self._host = HostEnd(area)
        self._slots = [slot for _ in hops if (slot := self._host.open()) is not None]
        self._hops = hops
        self._answers: dict[int, list[tuple[int, Samples]]] = {}

    def round_trip(self, number: int) -> None:
        host, answers = self._host, self._answers
        answers.clear()
        for slot, hop in zip(self._slots, self._hops, strict=True):
            host.submit(slot, number, hop)
        host.flush()
        while len(answers) < len(self._slots):
            self._wait.wait()
            host.answered()
            for slot in self._slots:
                if answer := host.collect(slot):
                    answers[slot] = answer

    def wrong(self, number: int) -> int:
        return sum(
            len(answer := self._answers[slot]) != 1 or answer[0][0] != number or not np.array_equal(answer[0][1], hop)
            for slot, hop in zip(self._slots, self._hops, strict=True)
        )


class _Floor:
    """The least that it could take."""

    def __init__(self, area: Area, hops: Samples) -> None:
        self._wait = _Answers(area)
        self._area = area
        self._hops = hops
        self._answers = np.zeros_like(hops)

    def round_trip(self, number: int) -> None:
        area = self._area
        area.request_audio[: len(self._hops)] = self._hops
        os.eventfd_write(area.descriptors.requests, 1)
        self._wait.wait()
        clear(area.descriptors.answers)
        self._answers = area.answer_audio[: len(self._hops)].copy()

    def wrong(self, number: int) -> int:
        return int((self._answers != self._hops).any(1).sum())


class _Answers:
    """The other process's wake-ups, of which the first says that it is there."""

    def __init__(self, area: Area) -> None:
        self._poll = select.poll()
        self._poll.register(area.descriptors.answers, select.POLLIN)
        self.wait()
        clear(area.descriptors.answers)

    def wait(self) -> None:
        if not self._poll.poll(int(_PATIENCE_S * 1000)):
            raise Unavailable("The other process does not answer.")


def _waited_ms(processes: Sequence[int]) -> float:
    """How long these were ready to run and others did, since they began; 0 where Linux does not say so."""
    try:
        lines = [Path(f"/proc/{process}/schedstat").read_text() for process in processes]
    except FileNotFoundError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines) / 1e6


def measure(streams: int, seconds: float) -> dict[str, object]:
    """The JSON object of the bench. Raises Unavailable when the other process does not answer."""
    areas = [Area.create(streams), Area.create(streams)]
    descriptors = [descriptor for area in areas for descriptor in area.descriptors]
    process = subprocess.Popen(
        [sys.executable, "-c", _ECHO, *map(str, (streams, os.getpid(), *descriptors))],
        pass_fds=descriptors,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    try:
        hops: Samples = np.random.default_rng(0).normal(0.0, 0.1, (streams, HOP)).astype(np.float32)
        ways = (_Exchange(areas[0], hops), _Floor(areas[1], hops))
        gc.collect()
        gc.freeze()  # as the server does
        rounds = max(1, int(seconds * SAMPLE_RATE / HOP))
        ours, floor = _take_turns(ways, rounds, (os.getpid(), process.pid))
    finally:
        gc.unfreeze()
        process.kill()
        process.wait()
        for area in areas:
            area.close()
    return {
        "streams": streams,
        "rounds": rounds,
        "p50_ms": ours.took(0.5),
        "p99_ms": ours.took(0.99),
        "max_ms": ours.took(1.0),
        "bar_ms": BAR_MS,
        "undisturbed_rounds": len(ours.undisturbed_ms),
        "undisturbed_p99_ms": float(np.quantile(ours.undisturbed_ms or np.nan, 0.99)),
        "floor_p50_ms": floor.took(0.5),
        "floor_p99_ms": floor.took(0.99),
        "ratio_to_floor": ours.took(0.5) / floor.took(0.5),
        "wrong": ours.wrong,
    }


class _Result:
    """What came of one way."""

    def __init__(self) -> None:
        self.took_ms: list[float] = []
        self.undisturbed_ms: list[float] = []
        self.wrong = 0

    def count(self, took_ms: float, waited_ms: float) -> None:
        self.took_ms.append(took_ms)
        if waited_ms < _UNDISTURBED_MS:
            self.undisturbed_ms.append(took_ms)

    def took(self, share: float) -> float:
        """Milliseconds within which this share of the round trips was over."""
        return float(np.quantile(self.took_ms, share))


def _take_turns(ways: Sequence[_Way], rounds: int, processes: Sequence[int]) -> list[_Result]:
    """So many round trips of each way beyond the first ones, one every 10 ms."""
    results = [_Result() for _ in ways]
    due = time.perf_counter()
    for first in range(0, _WARM + rounds, _TURN):
        for way, result in zip(ways, results, strict=True):
            for number in range(first, min(first + _TURN, _WARM + rounds)):
                due += HOP / SAMPLE_RATE
                time.sleep(max(0.0, due - time.perf_counter()))
                waited = _waited_ms(processes)
                began = due = max(due, time.perf_counter())
                way.round_trip(number)
                took = (time.perf_counter() - began) * 1e3
                if number >= _WARM:
                    result.count(took, _waited_ms(processes) - waited)
                result.wrong += way.wrong(number)
    return results


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `clearcast bench exchange`."""
    parser.add_argument("--streams", type=int, default=64, help="streams that hand in a hop every 10 ms")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long to measure")


def run(arguments: argparse.Namespace) -> int:
    """Measure and print; 0 when the measurement completed."""
    note(f"{arguments.streams} streams for {arguments.seconds:g} s")
    raise_priority()  # as the server does
    try:
        result = measure(arguments.streams, arguments.seconds)
    finally:
        raise_priority(0)
    emit(result, arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main("python -m server.bench.exchange", __doc__, add_arguments, run))
