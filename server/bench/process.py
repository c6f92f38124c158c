"""A file through the whole pipeline of this machine, as if somebody had uploaded it: `clearcast bench process`.

A server of its own takes the file, looks at it, takes the noise out, finds out who speaks and writes down what is said.
`speed` is how many seconds of audio come out in one second, from the last byte to the end of the last job; of the
stages, which run side by side, `speed_by_stage` says the same for the time in which each was at work.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from server.app import running
from server.bench.captions import model_folder
from server.bench.common import emit, note
from server.bench.memory import memory_ratio
from server.client.demo import TALK
from server.config import load_settings
from server.errors import Unavailable
from server.store.records import Job
from server.store.uploads import Upload, UploadState
from server.web.services import Services

READY_S = 120.0
CHUNK = 1 << 20
OVER = (UploadState.DONE, UploadState.FAILED, UploadState.CANCELLED)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `clearcast bench process`."""
    parser.add_argument("--audio", type=Path, default=TALK, help="the file (default: the talk of the demo)")
    parser.add_argument("--model", help="Whisper model, by name or folder (default: the small one that is bundled)")
    parser.add_argument("--no-memory", action="store_true", help="leave the comparison of 10 minutes with 3 hours out")
    parser.add_argument("--short", type=float, default=600.0, help="the shorter audio of that, seconds")
    parser.add_argument("--long", type=float, default=10_800.0, help="the longer one")


def run(arguments: argparse.Namespace) -> int:
    """Measure and print; 0 when the measurement completed."""
    folder = model_folder(arguments.model)
    with tempfile.TemporaryDirectory(prefix="clearcast-bench-") as data:
        result = asyncio.run(_measure(arguments.audio, folder, Path(data)))
    if not arguments.no_memory:
        note("10 minutes against 3 hours …")
        result |= memory_ratio(arguments.short, arguments.long)
    emit({"file": arguments.audio.name, "model": folder.name, **result}, arguments)
    return 0


async def _measure(path: Path, folder: Path, data: Path) -> dict[str, Any]:
    settings = load_settings(
        data_dir=data, port=0, accounts=False, captions_model=str(folder), log_level="error", disk_reserve_mb=0,
        models_download=False,
    )  # fmt: skip
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(running(settings))
        services = server.services
        await _ready(services)
        note(f"{services.denoise.status.engine} …")
        owner = services.default_channel.owner
        size = (await asyncio.to_thread(path.stat)).st_size
        upload = await services.uploads.create(owner, path.name, size, None, {})
        began = time.monotonic()
        await services.uploads.receive(upload, 0, _bytes(path))
        upload = await _over(services, upload)
        seconds = time.monotonic() - began
        if upload.state != UploadState.DONE or upload.detail:
            raise Unavailable(f"The file was not processed: {upload.detail or upload.state}.")
        jobs = [*await _jobs(services, upload.id), *await _jobs(services, upload.recording_id)]
    return _figures(upload, jobs, seconds, str(services.denoise.status.engine))


def _figures(upload: Upload, jobs: list[Job], seconds: float, engine: str) -> dict[str, Any]:
    length = next(job.result["length"] for job in jobs if job.kind == "upload" and job.result) / 48_000
    stages: dict[str, float] = {}
    for job in jobs:
        assert job.started_at is not None
        assert job.ended_at is not None
        assert job.result is not None
        stages[job.kind] = (job.ended_at - job.started_at).total_seconds()
        stages |= job.result.get("seconds", {})
    return {
        "audio_s": round(length, 1),
        "seconds": round(seconds, 2),
        "speed": round(length / seconds, 2),
        "speed_by_stage": {name: round(length / spent, 1) for name, spent in stages.items() if spent > 0},
        "seconds_by_stage": {name: round(spent, 2) for name, spent in stages.items()},
        "denoiser": engine,
        "speakers": (upload.diagnosis or {}).get("speakers"),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024),
    }


async def _ready(services: Services) -> None:
    async with asyncio.timeout(READY_S):
        while "starting" in (services.denoise.status.state, services.captions.status.state):  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def _over(services: Services, upload: Upload) -> Upload:
    while True:
        known = await services.store.uploads.get(upload.id)
        if known.state in OVER:
            return known
        await asyncio.sleep(0.05)


async def _jobs(services: Services, subject: str | None) -> list[Job]:
    return (await services.store.jobs.page(None, subject=subject)).items


async def _bytes(path: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(path.open, "rb") as file:
        while chunk := await asyncio.to_thread(file.read, CHUNK):
            yield chunk
