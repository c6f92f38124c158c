"""A final pass as it is really done: the job, the process that does it, the caption worker, a small model."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from server.config import Settings, load_settings
from server.inference.captioning.service import WorkerCaptionService
from server.jobs.final_pass import KIND
from server.jobs.service import JobService
from server.store.database import database_url
from server.store.records import CaptionVersion, Job, JobState, RecordingState
from server.store.store import Store
from tests.jobs.recordings import write
from tests.store.rows import recording, talk
from tests.talks import NANO, TALK_TWO, read_talk
from tests.wording import error_rate, spoken_in

PATIENCE_S = 300.0


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.05)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(
        data_dir=tmp_path, captions=True, captions_model=str(NANO), diarization=False, log_level="error"
    )


async def recorded(store: Store, settings: Settings) -> str:
    """A stream that is over, with the talk as its recording; nothing was captioned live."""
    stream = await talk(store)
    await store.save_stream(replace(stream, language="en"))
    samples = await asyncio.to_thread(read_talk, TALK_TWO)
    await asyncio.to_thread(write, settings.recordings_dir / stream.id, samples)
    await store.save_recording(recording(stream, state=RecordingState.READY.value, length=len(samples)))
    return stream.id


async def test_a_process_that_is_killed_in_the_middle_begins_again_and_says_nothing_twice(settings: Settings) -> None:
    store = Store(database_url(None, settings.data_dir))
    await store.open()
    stream_id = await recorded(store, settings)
    captions = WorkerCaptionService(settings, hang_s=PATIENCE_S)
    told: list[tuple[str, Job]] = []
    jobs = JobService(settings, store, lambda kind, job: told.append((kind, job)))
    await captions.start()
    try:
        assert await captions.wait_ready(PATIENCE_S)
        await jobs.start()
        assert jobs.worker_pid is None  # nothing to do yet
        assert captions.worker_pid is not None
        os.kill(captions.worker_pid, signal.SIGSTOP)  # so that the job stands in the middle
        job = await jobs.add(KIND, stream_id, "local")
        assert (await jobs.add(KIND, stream_id, "local")).id == job.id
        await until(lambda: told[-1][1].state == JobState.RUNNING and told[-1][1].step.startswith("Listening"))
        assert jobs.worker_pid is not None
        killed = jobs.worker_pid
        os.kill(killed, signal.SIGKILL)
        os.kill(captions.worker_pid, signal.SIGCONT)
        await until(lambda: told[-1][0] == "job_completed")
        assert jobs.worker_pid != killed
    finally:
        await jobs.close()
        await captions.close()
    done = told[-1][1]
    final = (await store.captions.page(stream_id, CaptionVersion.FINAL)).items
    await store.close()
    assert (done.id, done.state, done.attempts, done.error) == (job.id, JobState.DONE, 2, "")
    assert done.result is not None and done.result["words_added"] == done.result["words"]
    assert all(before.end <= after.start for before, after in pairwise(final))
    text = " ".join(caption.shown for caption in final)
    assert error_rate(spoken_in(TALK_TWO.with_suffix(".stm")), text) <= 0.02
    assert abs(final[0].start / 48_000 - 0.6) < 0.2


async def test_what_waited_when_the_server_stopped_is_told_of_and_can_be_cancelled(settings: Settings) -> None:
    """No process is needed for that: none is let start."""
    store = Store(database_url(None, settings.data_dir))
    await store.open()
    await store.jobs.add(Job("old", KIND, "stream", "local", datetime.now(UTC)))
    told: list[tuple[str, str]] = []
    jobs = JobService(settings, store, lambda kind, job: told.append((kind, job.state)))
    jobs._process.start = lambda: None  # type: ignore[method-assign]
    await jobs.start()
    assert (await jobs.cancel("old")).state == JobState.CANCELLED
    await jobs.close()
    await store.close()
    assert told == [("job_completed", "cancelled")]
