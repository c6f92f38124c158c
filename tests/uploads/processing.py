"""An upload that waits to be made into a recording, and the job that does it, with a scripted denoiser."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import wave
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from server.bench.memory import HalfAsLoud
from server.jobs.runner import Patience, Progress, left_over, run_job
from server.jobs.upload import ProcessUpload
from server.recordings.files import RecordingFolders
from server.store.database import database_url
from server.store.people_records import Access
from server.store.records import Channel, Job, Recording
from server.store.store import Store
from server.store.uploads import Upload, UploadState
from server.uploads.becoming import Becoming
from server.uploads.folders import UploadFolders
from server.uploads.making import FileDenoiser, Maker
from server.uploads.options import PROCESS

SECONDS = 3
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def open_store(folder: Path) -> Store:
    return Store(database_url(None, folder))


def kind(folder: Path, store: Store) -> ProcessUpload:
    async def open_denoiser() -> FileDenoiser:
        return HalfAsLoud()

    folders, recordings = UploadFolders(folder / "uploads"), RecordingFolders(folder / "recordings")
    return ProcessUpload(store, folders, recordings, Maker(open_denoiser, 60.0, 32_000), True, Patience())


async def no_access(stream_id: str, channel_id: str, access: Access | None) -> None:
    """There are no accounts."""


async def forget(stream_id: str) -> None:
    """Nothing is known."""


def tell(kind: str, recording: Recording) -> None:
    """Nobody listens."""


async def prepare(folder: Path, store: Store) -> Job:
    """A file of a tone, its rows, and its job."""
    await store.open()
    await store.add_channel(Channel("home", "home", "Home", "Anna", "local", NOW))
    upload = Upload("up", "local", "tone.wav", 9, NOW, NOW, received=9, state=UploadState.QUEUED)
    await store.uploads.add(upload)
    recording = await Becoming(store, no_access, forget, tell).make(upload, NOW)
    await store.uploads.change("up", NOW, recording_id=recording.id)
    await asyncio.to_thread(tone, folder)
    job = Job("job", PROCESS, "up", "local", NOW, parameters={"recording": recording.id, "audio_s": SECONDS})
    await store.jobs.add(job)
    return job


def tone(folder: Path) -> None:
    folders = UploadFolders(folder / "uploads")
    folders.begin("up")
    samples = 8000 * np.sin(2 * np.pi * 440 * np.arange(SECONDS * 48_000) / 48_000)
    with wave.open(str(folders.content("up")), "wb") as file:
        file.setparams((1, 2, 48_000, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())


async def work(folder: Path) -> None:
    """As the process of jobs does it after a start."""
    store = open_store(folder)
    kinds = {PROCESS: kind(folder, store).kind()}
    await left_over(store, set())
    await run_job(store, kinds, "job")
    await store.close()


def die_at(step: str, when: str) -> None:
    """Have this process killed when it is about to write down that a step is done, or right after."""
    real = Progress.reach

    async def reach(progress: Progress, name: str) -> None:
        if when == "after" or name != step:
            await real(progress, name)
        if name == step:
            os.kill(os.getpid(), signal.SIGKILL)

    Progress.reach = reach  # type: ignore[method-assign]


if __name__ == "__main__":
    if len(sys.argv) > 2:
        die_at(sys.argv[2], sys.argv[3])
    asyncio.run(work(Path(sys.argv[1])))
