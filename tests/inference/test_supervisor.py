"""The worker as a process: what happens when it is killed, stopped, or its engine fails."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from server.inference.denoise_kind import DenoiseKind
from server.inference.exchange.area import Area
from server.inference.exchange.host import HostEnd
from server.inference.supervisor import (
    WorkerEvent,
    WorkerLost,
    WorkerReady,
    WorkerSupervisor,
    resident_mb,
    worker_environment,
)
from server.inference.worker import WorkerConfig
from tests.inference.helpers import SCRIPTED, hop, until
from tests.inference.scripted import GAIN, HANG, RAISE


class Watched:
    """A supervisor, its exchange, and everything it said."""

    def __init__(self, area: Area, loader: str) -> None:
        self.host = HostEnd(area)
        self.events: list[WorkerEvent] = []
        self.config = WorkerConfig("DeepFilterNet3", None, "cpu", 1, area.capacity, 1440, loader=loader)
        self.supervisor = WorkerSupervisor(DenoiseKind(self.host), self.config, self.events.append)

    @property
    def ready(self) -> int:
        return sum(isinstance(event, WorkerReady) for event in self.events)

    @property
    def lost(self) -> list[WorkerLost]:
        return [event for event in self.events if isinstance(event, WorkerLost)]

    async def answers(self, slot: int, first: int) -> list[tuple[int, float]]:
        """Say twenty hops from `first` on, one as soon as the one before it is answered; indices and values."""
        found: list[tuple[int, float]] = []
        for index in range(first, first + 20):
            self.host.submit(slot, index, hop(index + 1))
            self.host.flush()
            limit = time.monotonic() + (1.0 if found else 0.02)
            while not (new := self.host.collect(slot)) and time.monotonic() < limit:
                await asyncio.sleep(0.002)
            found += [(index, float(samples[0])) for index, samples in new]
        return found


Start = Callable[..., Awaitable[Watched]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    area = Area.create(4)
    begun: list[Watched] = []

    async def begin(loader: str = SCRIPTED) -> Watched:
        watched = Watched(area, loader)
        begun.append(watched)
        watched.supervisor.start()
        if loader == SCRIPTED:
            await until(lambda: watched.ready == 1)
        return watched

    yield begin
    for watched in begun:
        await watched.supervisor.stop()
    area.close()


async def test_a_killed_worker_comes_back_and_streams_attach_by_themselves(start: Start) -> None:
    watched = await start()
    slot = watched.host.open()
    assert min(await watched.answers(slot, 0))[0] >= 3
    os.kill(watched.supervisor.pid, signal.SIGKILL)
    await until(lambda: watched.ready == 2)
    assert (watched.lost[0].code, watched.lost[0].was_ready) == ("crash", True)
    assert watched.supervisor.restarts == len(watched.lost)
    answers = await watched.answers(slot, 100)
    assert answers[0][0] >= 103
    assert all(value == GAIN * (index - 2) for index, value in answers)


async def test_a_stopped_worker_is_noticed_killed_and_replaced(start: Start) -> None:
    watched = await start()
    os.kill(watched.supervisor.pid, signal.SIGSTOP)
    await until(lambda: bool(watched.lost))
    assert watched.lost[0].code == "hang"
    await until(lambda: watched.ready == 2)


async def test_an_engine_that_never_returns_is_replaced(start: Start) -> None:
    watched = await start()
    slot = watched.host.open()
    watched.host.submit(slot, 0, hop(HANG))
    watched.host.flush()
    await until(lambda: bool(watched.lost))
    assert watched.lost[0].code == "hang"
    await until(lambda: watched.ready == 2)
    assert await watched.answers(slot, 50)


async def test_an_engine_that_fails_is_reported_and_replaced(start: Start) -> None:
    watched = await start()
    slot = watched.host.open()
    watched.host.submit(slot, 0, hop(RAISE))
    watched.host.flush()
    await until(lambda: bool(watched.lost))
    assert watched.lost[0] == WorkerLost("internal", "RuntimeError: the model failed", was_ready=True)
    await until(lambda: watched.ready == 2)
    assert await watched.answers(slot, 50)


async def test_a_worker_that_cannot_start_is_tried_again_ever_more_slowly(start: Start) -> None:
    watched = await start("tests.inference.scripted:load_never")
    began = time.monotonic()
    await until(lambda: len(watched.lost) >= 3)
    assert time.monotonic() - began > 0.2 + 0.4
    assert all(lost == WorkerLost("internal", "RuntimeError: no such engine", False) for lost in watched.lost)


async def test_when_no_file_can_be_opened_for_a_while_the_worker_comes_back_afterwards(start: Start) -> None:
    watched = await start()
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        os.kill(watched.supervisor.pid or 0, signal.SIGKILL)
        await until(lambda: len(watched.lost) >= 3)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    await until(lambda: watched.ready == 2)


async def test_a_planned_restart_is_no_loss(start: Start) -> None:
    watched = await start()
    first = watched.supervisor.pid
    watched.supervisor.restart(watched.config)
    await until(lambda: watched.ready == 2)
    assert watched.lost == []
    assert watched.supervisor.pid != first


async def test_stopping_leaves_no_process(start: Start) -> None:
    watched = await start()
    pid = watched.supervisor.pid
    await watched.supervisor.stop()
    assert not Path(f"/proc/{pid}").exists()
    await watched.supervisor.stop()


async def test_stopping_while_a_worker_starts_leaves_no_process(start: Start) -> None:
    watched = await start("tests.inference.scripted:load_never")
    await until(lambda: watched.supervisor.pid is not None)
    pid = watched.supervisor.pid
    await watched.supervisor.stop()
    assert not Path(f"/proc/{pid}").exists()


async def test_the_worker_is_out_of_reach_of_the_terminal(start: Start) -> None:
    watched = await start()
    assert os.getpgid(watched.supervisor.pid) != os.getpgid(0)


def test_threads_of_the_worker_sleep_while_they_wait() -> None:
    environment = worker_environment({"PYTHONPATH": "elsewhere", "HOME": "/home/me"}, threads=3)
    assert environment["OMP_NUM_THREADS"] == "3"
    assert environment["OMP_WAIT_POLICY"] == "PASSIVE"
    assert environment["PYTHONPATH"].endswith(":elsewhere")
    assert environment["HOME"] == "/home/me"


async def test_a_worker_that_takes_too_much_memory_is_replaced(start: Start) -> None:
    watched = await start()
    watched.supervisor._memory_mb = 1
    await until(lambda: bool(watched.lost))
    watched.supervisor._memory_mb = None
    assert watched.lost[0].code == "memory"
    assert "more than the 1 MB" in watched.lost[0].message
    await until(lambda: watched.ready == 2)


def test_memory_of_a_process_that_is_gone_is_none() -> None:
    assert resident_mb(os.getpid()) > 10
    assert resident_mb(2**22 + 1) == 0


def test_a_worker_keeps_the_memory_of_large_arrays() -> None:
    """Otherwise each window would get its memory from the system anew, page by page."""
    code = (
        "import resource, threading\n"
        "def window():\n"
        "    bytearray(48_000_000)\n"
        "    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "def windows():\n"
        "    window()\n"
        "    before = window()\n"
        "    print([window() for _ in range(10)][-1] - before)\n"
        "thread = threading.Thread(target=windows); thread.start(); thread.join()\n"
    )

    def page_faults(environment: dict[str, str]) -> int:
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        return int(done.stdout)

    outer = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    assert 10 * page_faults(worker_environment(outer, threads=1)) < page_faults(outer)
