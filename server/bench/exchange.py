"""How long a hop takes to the denoise worker and back when there is no model: `clearcast bench exchange`.

A process of its own gives back what it is given, over the shared memory and the wake-ups that serve the streams. Every
10 ms each stream hands in a hop; a round trip ends when the answer of the last stream has been taken.
"""

from __future__ import annotations

import argparse
import gc
import os
import select
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from server.audio.frame import Samples
from server.bench.common import emit, main, note
from server.clock import HOP, SAMPLE_RATE
from server.errors import Unavailable
from server.inference.exchange.area import Area, Descriptors
from server.inference.exchange.host import HostEnd
from server.inference.exchange.worker import WorkerEnd
from server.process import raise_priority

BAR_MS = 1.0
_PATIENCE_S = 10.0
_WARM = 20
"""Round trips before those that count."""

_ECHO = "import sys; from server.bench.exchange import echo; echo(*map(int, sys.argv[1:]))"


def echo(memory: int, requests: int, answers: int, capacity: int, parent: int) -> None:
    """The other process: answers every hop with itself, until its parent is gone."""
    raise_priority()  # as the worker does
    gc.disable()
    area = Area(Descriptors(memory, requests, answers), capacity)
    end = WorkerEnd(area)
    poll = select.poll()
    poll.register(requests, select.POLLIN)
    end.signal()  # ready
    while os.getppid() == parent:
        if not poll.poll(500):
            continue
        end.woken()
        while (batch := end.take(0)) is not None:
            end.answer(batch, batch.indices, batch.hops, np.ones(len(batch.slots), np.bool_))
            end.signal()


def measure(streams: int, seconds: float) -> dict[str, object]:
    """The JSON object of the bench. Raises Unavailable when the other process does not answer."""
    area = Area.create(streams)
    process = subprocess.Popen(
        [sys.executable, "-c", _ECHO, *map(str, (*area.descriptors, streams, os.getpid()))],
        pass_fds=area.descriptors,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    try:
        return _round_trips(area, streams, max(1, int(seconds * SAMPLE_RATE / HOP)))
    finally:
        process.kill()
        process.wait()
        area.close()


def _round_trips(area: Area, streams: int, rounds: int) -> dict[str, object]:
    poll = select.poll()
    poll.register(area.descriptors.answers, select.POLLIN)
    _await(poll)
    host = HostEnd(area)
    host.answered()
    slots = [slot for _ in range(streams) if (slot := host.open()) is not None]
    hops: Samples = np.random.default_rng(0).normal(0.0, 0.1, (streams, HOP)).astype(np.float32)
    took = []
    wrong = 0
    due = time.perf_counter()
    for number in range(_WARM + rounds):
        due += HOP / SAMPLE_RATE
        time.sleep(max(0.0, due - time.perf_counter()))
        due = max(due, time.perf_counter())
        began = time.perf_counter()
        for slot, hop in zip(slots, hops, strict=True):
            host.submit(slot, number, hop)
        host.flush()
        waiting = set(slots)
        while waiting:
            _await(poll)
            host.answered()
            for slot in list(waiting):
                for index, samples in host.collect(slot):
                    wrong += index != number or samples[0] != hops[slot, 0]
                    waiting.discard(slot)
        took.append((time.perf_counter() - began) * 1e3)
    counted = took[_WARM:]
    p50, p99 = np.quantile(counted, [0.5, 0.99])
    return {
        "streams": streams,
        "rounds": rounds,
        "p50_ms": p50,
        "p99_ms": p99,
        "max_ms": max(counted),
        "bar_ms": BAR_MS,
        "wrong": wrong,
    }


def _await(poll: select.poll) -> None:
    if not poll.poll(int(_PATIENCE_S * 1000)):
        raise Unavailable("The other process does not answer.")


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
