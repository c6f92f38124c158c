"""A file becomes a recording once, whatever happens to the process that makes it: killed at every step, cancelled."""

from __future__ import annotations

import asyncio
import errno
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from server.audio.peaks import decode_file
from server.jobs.runner import run_job
from server.recordings import happened
from server.store.records import JobState, RecordingState
from server.uploads.options import PROCESS
from server.uploads.track import Track
from tests.uploads.processing import SECONDS, kind, open_store, prepare, work


def run_worker(folder: Path, *more: str) -> int:
    command = [sys.executable, "-m", "tests.uploads.processing", str(folder), *more]
    return subprocess.run(command, check=False, timeout=120).returncode


def steps(folder: Path) -> list[str]:
    return list(kind(folder, open_store(folder)).steps)


def heard(path: Path) -> np.ndarray[Any, Any]:
    with path.open("rb") as file:
        return np.concatenate(list(decode_file(file)))


async def what_is_there(folder: Path) -> dict[str, Any]:
    store = open_store(folder)
    job, recordings = await store.jobs.get("job"), (await store.recordings()).items
    await store.close()
    return {"job": job, "recordings": recordings}


def check_one_whole_recording(folder: Path) -> None:
    there = asyncio.run(what_is_there(folder))
    assert (there["job"].state, there["job"].error) == (JobState.DONE, "")
    assert [item.state for item in there["recordings"]] == [RecordingState.READY]
    recording = there["recordings"][0]
    assert (recording.length, recording.has_raw, recording.origin) == (SECONDS * 48_000, True, "upload")
    made = folder / "recordings" / recording.id
    assert [path.name for path in (folder / "recordings").iterdir()] == [recording.id]
    assert {path.name for path in made.iterdir()} >= {"clean.opus", "raw.opus"}
    assert not (folder / "uploads" / "up" / "work").exists()
    log = happened.read(made / "events.jsonl", recording.length)
    assert [(span.start, span.end, span.mode) for span in log.denoise] == [(0, recording.length, "active")]
    assert [(used.stage, used.name) for used in log.models] == [("denoise", "scripted")]
    raw, clean = heard(made / "raw.opus"), heard(made / "clean.opus")
    assert len(raw) == len(clean) == SECONDS * 48_000
    ratio = np.sqrt(np.mean(clean[9600:-9600] ** 2) / np.mean(raw[9600:-9600] ** 2))
    assert abs(ratio - 0.5) < 0.05


CASES = [(step, when) for step in steps(Path()) for when in ("before", "after")]


@pytest.mark.parametrize(("step", "when"), CASES)
def test_a_worker_that_is_killed_at_any_step_leaves_one_recording_and_nothing_else(
    tmp_path: Path, step: str, when: str
) -> None:
    asyncio.run(prepare_and_close(tmp_path))
    assert run_worker(tmp_path, step, when) == -signal.SIGKILL
    assert run_worker(tmp_path) == 0
    check_one_whole_recording(tmp_path)


async def prepare_and_close(folder: Path) -> None:
    store = open_store(folder)
    await prepare(folder, store)
    await store.close()


def test_a_full_disk_in_the_middle_leaves_nothing_and_another_try_succeeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(prepare_and_close(tmp_path))
    real = Track.write

    def full(track: Track, samples: Any) -> None:
        if track.length > 48_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(track, samples)

    monkeypatch.setattr(Track, "write", full)

    async def attempt(attempts: int) -> float | None:
        store = open_store(tmp_path)
        delay = await run_job(store, {PROCESS: kind(tmp_path, store).kind()}, "job", attempts=attempts)
        await store.close()
        return delay

    assert asyncio.run(attempt(5)) is not None  # it is tried again
    there = asyncio.run(what_is_there(tmp_path))
    assert "disk is full" in there["job"].error
    monkeypatch.setattr(Track, "write", real)
    asyncio.run(work(tmp_path))
    check_one_whole_recording(tmp_path)


def test_a_job_that_is_cancelled_in_the_middle_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asyncio.run(prepare_and_close(tmp_path))

    async def cancelled_midway() -> None:
        store = open_store(tmp_path)
        doing = kind(tmp_path, store)
        real = type(doing)._place

        async def place(self: Any, upload: Any, job: Any, progress: Any) -> Any:
            await store.jobs.change("job", state=JobState.CANCELLED.value)
            return await real(self, upload, job, progress)

        monkeypatch.setattr(type(doing), "_place", place)
        await run_job(store, {PROCESS: doing.kind()}, "job")
        await store.close()

    asyncio.run(cancelled_midway())
    assert asyncio.run(what_is_there(tmp_path))["job"].state == JobState.CANCELLED
    assert not (tmp_path / "uploads" / "up" / "work").exists()
    assert not (tmp_path / "recordings").exists() or not list((tmp_path / "recordings").iterdir())
