"""The process that does the jobs, kept running beside the server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from pathlib import Path

import server
from server.config import PREFIX, Settings
from server.log import get_logger

BACKOFF_S = 1.0
BACKOFF_MAX_S = 60.0
HEALTHY_S = 60.0
"""A process that ran so long has earned a quick restart."""
STOP_S = 3.0
"""How long it may take to end in good order."""

TOLD = (
    *("data_dir", "database_url", "models_dir", "log_level", "log_format", "captions_ear", "diarization_ear"),
    *("summary_url", "summary_model", "summary_key", "summary_characters"),
    *("jobs_workers", "jobs_attempts", "jobs_timeout_s", "jobs_timeout_factor"),
    *("denoise", "opus_bitrate", "uploads_max_hours"),
)
"""Settings that it needs; the server's may come from its command line."""

log = get_logger(__name__)


class JobProcess:
    """One process at a time, from `start` to `stop`; started again when it ends by itself."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._task: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Have it run; does nothing where it does."""
        if self._task is None:
            self._task = asyncio.create_task(self._keep_running(), name="jobs-process")

    async def stop(self) -> None:
        """End it for good."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _keep_running(self) -> None:
        backoff = BACKOFF_S
        while True:
            began = time.monotonic()
            try:
                status = await self._once()
                log.warning("the process that does jobs ended", status=status)
            except OSError as error:
                log.error("the process that does jobs cannot be started", error=error.strerror)
            if time.monotonic() - began > HEALTHY_S:
                backoff = BACKOFF_S
            await asyncio.sleep(backoff)
            backoff = min(BACKOFF_MAX_S, 2 * backoff)

    async def _once(self) -> int:
        # It ends when its standard input does, so that it never outlives the server.
        theirs, ours = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "server", "worker", "--supervised"),
                stdin=theirs,
                env=_environment(self._settings),
            )
        except OSError:
            os.close(ours)
            raise
        finally:
            os.close(theirs)
        self._process = process
        try:
            return await process.wait()
        finally:
            self._process = None
            await _end(process)
            os.close(ours)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_S)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _environment(settings: Settings) -> dict[str, str]:
    root = str(Path(server.__file__).parents[1])
    told = {name: getattr(settings, name) for name in TOLD}
    return {
        **os.environ,
        **{PREFIX + name.upper(): str(value) for name, value in told.items() if value is not None},
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH")))),
    }
