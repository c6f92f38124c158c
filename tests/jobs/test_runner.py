"""A job from its row to its end: done once, tried again where that may help, stopped when asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from server.errors import NotFound, Unavailable
from server.jobs.runner import ATTEMPTS, BACKOFF_S, Kind, Progress, left_over, put_back, run_job
from server.store.database import database_url
from server.store.records import Job, JobState
from server.store.store import Store

Work = Callable[[Job, Progress], Awaitable[Mapping[str, Any]]]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = Store(database_url(None, tmp_path))
    await opened.open()
    yield opened
    await opened.close()


async def make(store: Store, job_id: str = "job") -> None:
    await store.jobs.add(Job(job_id, "walk", "stream", "local", datetime.now(UTC)))


def kinds(work: Work, limit: float = 60.0) -> dict[str, Kind]:
    async def limit_s(job: Job) -> float:
        return limit

    return {"walk": Kind(work, limit_s)}


async def test_a_job_is_done_once_and_says_what_came_of_it(store: Store) -> None:
    done = []

    async def work(job: Job, progress: Progress) -> Mapping[str, Any]:
        await progress.tell(0.4, "Walking")
        seen = await store.jobs.get(job.id)
        done.append((seen.state, seen.progress, seen.step))
        return {"steps": 3}

    await make(store)
    assert await run_job(store, kinds(work), "job") is None
    assert await run_job(store, kinds(work), "job") is None
    job = await store.jobs.get("job")
    assert done == [(JobState.RUNNING, 0.4, "Walking")]
    assert (job.state, job.progress, job.result, job.attempts) == (JobState.DONE, 1.0, {"steps": 3}, 1)
    assert job.started_at is not None and job.ended_at is not None


async def test_what_may_pass_is_tried_again_ever_later_and_then_given_up(store: Store) -> None:
    async def work(job: Job, progress: Progress) -> Mapping[str, Any]:
        raise Unavailable("The worker is away.")

    await make(store)
    delays = [await run_job(store, kinds(work), "job") for _ in range(ATTEMPTS)]
    assert delays == [*BACKOFF_S[: ATTEMPTS - 1], None]
    job = await store.jobs.get("job")
    assert (job.state, job.error, job.attempts) == (JobState.FAILED, "The worker is away.", ATTEMPTS)


async def test_what_will_never_work_fails_at_once(store: Store) -> None:
    async def work(job: Job, progress: Progress) -> Mapping[str, Any]:
        raise NotFound("There is no such recording.")

    await make(store)
    assert await run_job(store, kinds(work), "job") is None
    assert (await store.jobs.get("job")).state == JobState.FAILED


async def test_a_mistake_of_ours_is_no_secret_of_the_log(store: Store) -> None:
    async def work(job: Job, progress: Progress) -> Mapping[str, Any]:
        raise ZeroDivisionError

    await make(store)
    assert await run_job(store, kinds(work), "job") == BACKOFF_S[0]
    assert "ZeroDivisionError" in (await store.jobs.get("job")).error


async def test_a_job_that_takes_too_long_is_stopped(store: Store) -> None:
    async def work(job: Job, progress: Progress) -> Mapping[str, Any]:
        await asyncio.Event().wait()
        return {}

    await make(store)
    assert await run_job(store, kinds(work, limit=0.01), "job") == BACKOFF_S[0]
    assert "longer" in (await store.jobs.get("job")).error


async def test_a_cancelled_job_stops_at_its_next_word_and_stays_cancelled(store: Store) -> None:
    async def work(job: Job, progress: Progress) -> Mapping[str, Any]:
        await store.jobs.change(job.id, state=JobState.CANCELLED.value)
        await progress.tell(0.5, "Walking")
        raise AssertionError("it went on")

    await make(store)
    assert await run_job(store, kinds(work), "job") is None
    assert (await store.jobs.get("job")).state == JobState.CANCELLED
    assert await run_job(store, kinds(work), "job") is None


async def test_progress_is_written_once_a_second_and_at_every_step(store: Store) -> None:
    await make(store)
    await store.jobs.claim("job", datetime.now(UTC))
    times = iter([100.0, 100.5, 100.6, 101.7])
    progress = Progress(store, "job", lambda: next(times))
    seen = []
    for share, step in [(0.1, "a"), (0.2, "a"), (0.3, "b"), (0.4, "b")]:
        await progress.tell(share, step)
        seen.append((await store.jobs.get("job")).progress)
    assert seen == [0.1, 0.1, 0.3, 0.4]


async def test_what_a_dead_process_left_is_begun_again(store: Store) -> None:
    for job_id in ("begun", "waiting", "lost", "deadly"):
        await make(store, job_id)
    await store.jobs.claim("begun", datetime.now(UTC))
    for _ in range(ATTEMPTS):
        await store.jobs.change("deadly", state=JobState.QUEUED.value)
        await store.jobs.claim("deadly", datetime.now(UTC))
    assert sorted(job.id for job in await left_over(store, {"waiting"})) == ["begun", "lost"]
    assert (await store.jobs.get("begun")).state == JobState.QUEUED
    deadly = await store.jobs.get("deadly")
    assert deadly.state == JobState.FAILED and deadly.error


async def test_an_orderly_end_is_no_attempt(store: Store) -> None:
    await make(store)
    await store.jobs.claim("job", datetime.now(UTC))
    await put_back(store)
    job = await store.jobs.get("job")
    assert (job.state, job.attempts) == (JobState.QUEUED, 0)
