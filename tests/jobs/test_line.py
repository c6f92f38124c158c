"""Who is how far from the front of the queue: the urgent go first, and what was measured says how long it takes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from server.config import load_settings
from server.errors import Conflict, Unavailable
from server.jobs.line import AUDIO, Line, Speeds, line_of
from server.jobs.queue import open_queue
from server.jobs.service import LIVE, JobService
from server.jobs.worker import StuckJobs
from server.store.database import database_url
from server.store.records import Job, JobState
from server.store.store import Store

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def job(name: str, *, minute: int = 0, audio_s: float | None = None, **changed: object) -> Job:
    known = {AUDIO: audio_s} if audio_s is not None else None
    return replace(
        Job(name, "walk", name, "anna", NOON + timedelta(minutes=minute), parameters=known),
        **changed,  # type: ignore[arg-type]
    )


def done(name: str, took: float, audio_s: float | None) -> Job:
    times = {"started_at": NOON, "ended_at": NOON + timedelta(seconds=took)}
    return job(name, audio_s=audio_s, state=JobState.DONE.value, **times)


def test_the_urgent_go_first_and_each_waits_for_those_before_by_what_was_measured() -> None:
    speeds = Speeds()
    speeds.learn(done("one", 10.0, 100.0))
    speeds.learn(done("two", 30.0, 100.0))  # together 5 times real time
    waiting = [
        job("b", minute=2, audio_s=50.0),
        job("a", minute=1, audio_s=100.0),
        job("live", minute=3, priority=LIVE, audio_s=10.0),
    ]
    running = job("r", audio_s=200.0, state=JobState.RUNNING.value, progress=0.75, started_at=NOON)
    line = line_of([*waiting, running], speeds, 1, 9, NOON + timedelta(seconds=30))
    assert (line.waiting, line.running) == (3, 1)
    assert [(name, place.position, place.wait_s) for name, place in line.places.items()] == [
        ("live", 1, 10.0), ("a", 2, 12.0), ("b", 3, 32.0),
    ]  # fmt: skip
    two = line_of([*waiting, running], speeds, 2, 9, NOON + timedelta(seconds=30))
    assert [place.wait_s for place in two.places.values()] == [0.0, 2.0, 10.0]


def test_a_job_that_is_slower_than_it_was_thought_makes_the_others_wait_longer() -> None:
    slow = job("r", audio_s=40.0, state=JobState.RUNNING.value, progress=0.1, started_at=NOON)
    line = line_of([slow, job("a", minute=1)], Speeds(), 1, 9, NOON + timedelta(seconds=100))
    assert line.places["a"].wait_s == 900.0


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = Store(database_url(None, tmp_path))
    await opened.open()
    yield opened
    await opened.close()


class Told:
    """A service of jobs that nobody does, and what it told of its queue."""

    def __init__(self, store: Store, folder: Path, most: int) -> None:
        self.lines: list[tuple[Line, set[str]]] = []
        self.service = JobService(
            load_settings(data_dir=folder, jobs_queue=most),
            store,
            lambda kind, job: None,
            lambda line, owners: self.lines.append((line, owners)),
        )
        self.service._process.start = lambda: None  # type: ignore[method-assign]


async def test_when_the_queue_is_full_people_are_told_when_to_come_again_and_streams_are_finished(
    store: Store, tmp_path: Path
) -> None:
    told = Told(store, tmp_path, 2)
    await told.service.start()
    first = await told.service.add("walk", "a", "anna")
    await told.service.add("walk", "b", "ben")
    with pytest.raises(Unavailable) as refused:
        await told.service.add("walk", "c", "anna")
    assert refused.value.code == "jobs-full" and refused.value.retry_after
    assert (await told.service.add("walk", "a", "anna")).id == first.id  # it is there already
    urgent = await told.service.add("finish", "d", "anna", priority=LIVE)
    line, owners = told.lines[-1]
    assert next(iter(line.places)) == urgent.id and owners == {"anna", "ben"}
    assert set(line.of("anna")) == {urgent.id, first.id}
    await told.service.cancel(first.id)
    assert set(told.lines[-1][0].of("anna")) == {urgent.id}
    await told.service.add("walk", "c", "anna")
    await told.service.close()


async def test_a_job_that_failed_is_done_again_from_the_step_it_had_reached(store: Store, tmp_path: Path) -> None:
    told = Told(store, tmp_path, 5)
    await told.service.start()
    failed = await told.service.add("walk", "a", "anna")
    await store.jobs.claim(failed.id, NOON)
    await store.jobs.change(failed.id, reached="halfway")
    await store.jobs.change(failed.id, state=JobState.FAILED.value, error="Rain.", ended_at=NOON)
    again = await told.service.retry(failed.id)
    assert (again.state, again.reached, again.error, again.attempts) == (JobState.QUEUED, "halfway", "", 0)
    with pytest.raises(Conflict):
        await told.service.retry(failed.id)
    await store.jobs.change(failed.id, state=JobState.DONE.value)
    with pytest.raises(Conflict):
        await told.service.retry(failed.id)
    await told.service.close()


def test_the_queue_gives_the_urgent_out_first(tmp_path: Path) -> None:
    queue = open_queue(load_settings(data_dir=tmp_path))
    for name, priority in [("first", 10), ("second", 10), ("live", 100)]:
        queue.put(name, priority=priority)
    taken = [queue._huey.dequeue() for _ in range(3)]
    queue.close()
    assert [task.args[0] for task in taken] == ["live", "first", "second"]


def test_a_job_that_does_not_stop_when_its_time_is_over_ends_its_process() -> None:
    now, ended = [0.0], []
    stuck = StuckJobs(ended.append, grace_s=5.0, clock=lambda: now[0])
    stuck.begins("quick", 10.0)
    stuck.begins("stuck", 10.0)
    now[0] = 14.0
    stuck.look()
    stuck.over("quick")
    assert ended == []
    now[0] = 16.0
    stuck.look()
    assert ended == [["stuck"]]


def test_several_jobs_are_done_at_once_where_the_setting_says_so(tmp_path: Path) -> None:
    import subprocess
    import sys

    script = (
        "import sys, threading, pathlib, os, signal\n"
        "from server.config import load_settings\n"
        "from server.jobs.queue import open_queue\n"
        "queue = open_queue(load_settings(data_dir=pathlib.Path(sys.argv[1])))\n"
        "queue.put('a'); queue.put('b')\n"
        "meet = threading.Barrier(2, timeout=30)\n"
        "def work(name):\n"
        "    meet.wait(); os.write(1, name.encode() + b'\\n'); meet.wait(); os.kill(os.getpid(), signal.SIGTERM)\n"
        "queue.consume(work, 2)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert sorted(result.stdout.split()) == ["a", "b"], result.stderr
