"""Keeps one worker process running: starts it, notices when it dies or hangs, starts it again.

What differs between workers (which module, which descriptors, how they show that they live) is their `WorkerKind`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from prometheus_client import Counter, Gauge

import server
from server.log import get_logger

CHECK_S = 0.1
MEMORY_ROUNDS = 5
"""Of these checks, after which memory is looked at."""

BACKOFF_S = 0.2
BACKOFF_MAX_S = 5.0
START_BACKOFF_MAX_S = 60.0
"""The same for one that does not even start: each try takes seconds of a processor that the audio needs."""
KEPT_MEMORY = 256 * 1024 * 1024
"""Bytes of freed memory that a worker keeps for its next window, at most."""
HEALTHY_S = 30.0
"""A worker that ran this long has earned a quick restart."""

log = get_logger(__name__)


Config = TypeVar("Config")
Config_contra = TypeVar("Config_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class Launch:
    """What a worker process is started with, besides its control socket and the parent's id."""

    config: str
    """Its configuration, as the worker reads it."""
    descriptors: Sequence[int]
    threads: int


class WorkerKind(Protocol[Config_contra]):
    """What is particular to one kind of worker."""

    name: str
    """As people read it: "denoise"."""
    module: str
    start_s: float
    """A worker that has not loaded its model after this long never will."""
    hang_s: float
    """Without a sign of life for this long, a worker hangs."""
    ready: Gauge
    restarts: Counter

    def begin(self, config: Config_contra) -> Launch:
        """Make everything ready for a process that is about to start. Raises OSError."""
        ...

    def begun(self) -> None:
        """The process has its descriptors, or will never come to be."""
        ...

    def beats(self) -> int | None:
        """Signs of life of this process that came by another way than its control socket; None where none do."""
        ...


@dataclass(frozen=True, slots=True)
class WorkerReady:
    """The worker has loaded its model and answers; `about` is what it says of itself."""

    about: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class WorkerSaid:
    """Something else that a worker says of itself; its kind knows what it means."""

    message: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class WorkerLost:
    """The worker ended, or was ended because it hung; it is started again unless told otherwise."""

    code: str
    """Code of a ClearcastError that it reported, "internal" for other failures of the model, else "crash", "hang" or
    "memory"."""
    message: str
    was_ready: bool


WorkerEvent = WorkerReady | WorkerSaid | WorkerLost


class WorkerSupervisor(Generic[Config]):
    """One worker at a time, for as long as `start` to `stop` lasts.

    `on_event` is called on the event loop; it may call `restart` to have the next worker start otherwise.
    """

    def __init__(
        self,
        kind: WorkerKind[Config],
        config: Config,
        on_event: Callable[[WorkerEvent], None],
        memory_mb: int | None = None,
    ) -> None:
        self._memory_mb = memory_mb
        self._kind = kind
        self._config = config
        self._on_event = on_event
        self._task: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._replace = False
        self._wake = asyncio.Event()
        self._ready = False
        self._lines = 0
        self.restarts = 0

    @property
    def pid(self) -> int | None:
        """The worker's process id while there is one."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start the first worker in the background."""
        self._task = asyncio.create_task(self._keep_running(), name=f"{self._kind.name}-supervisor")

    async def stop(self) -> None:
        """End the worker for good."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def restart(self, config: Config) -> None:
        """Have `config` run from now on: the worker is replaced at once, without waiting."""
        self._config = config
        self._replace = True
        self._wake.set()
        if self._process is not None:
            _kill(self._process)

    def next_config(self, config: Config) -> None:
        """What a worker that has to be started again is told; the present one goes on."""
        self._config = config

    async def _keep_running(self) -> None:
        backoff = BACKOFF_S
        while True:
            began = time.monotonic()
            self._replace = False
            self._wake.clear()
            lost = await self._one_worker()
            self._kind.ready.set(0)
            if self._replace:
                backoff = BACKOFF_S
                continue
            if time.monotonic() - began > HEALTHY_S:
                backoff = BACKOFF_S
            log.warning(
                "a worker is gone", worker=self._kind.name, reason=lost.code, detail=lost.message, again_in_s=backoff
            )
            self._on_event(lost)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), backoff)
            backoff = min(2 * backoff, BACKOFF_MAX_S if lost.was_ready else START_BACKOFF_MAX_S)
            self.restarts += 1
            self._kind.restarts.inc()

    async def _one_worker(self) -> WorkerLost:
        """Run a worker until it ends; returns why it did."""
        self._ready = False
        self._lines = 0
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:
            return _not_started(error)
        try:
            process = await self._spawn(theirs)
        except OSError as error:
            ours.close()
            return _not_started(error)
        except asyncio.CancelledError:
            ours.close()
            raise
        finally:
            theirs.close()
            self._kind.begun()
        if self._replace:  # while it was being started
            _kill(process)
        try:
            reader, writer = await asyncio.open_connection(sock=ours)
        except (OSError, asyncio.CancelledError):  # the process is there already
            ours.close()
            await self._reap(process)
            raise
        reports = asyncio.create_task(self._listen(reader), name=f"{self._kind.name}-reports")
        watch = asyncio.create_task(self._watch(process), name=f"{self._kind.name}-watch")
        try:
            status = await process.wait()
            watch.cancel()
            reported = await reports
            ended = watch.result() if watch.done() and not watch.cancelled() else None
        finally:
            await self._tidy(process, writer, reports, watch)
        if reported is not None:
            return reported
        if ended is not None:
            return WorkerLost(*ended, self._ready)
        return WorkerLost("crash", _end(status), self._ready)

    async def _spawn(self, control: socket.socket) -> asyncio.subprocess.Process:
        launch = self._kind.begin(self._config)
        descriptors = (*launch.descriptors, control.fileno())
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", self._kind.module),
            *("--descriptors", ",".join(map(str, descriptors)), "--parent", str(os.getpid())),
            *("--config", launch.config),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            pass_fds=descriptors,
            start_new_session=True,
            env=worker_environment(os.environ, launch.threads),
        )
        self._process = process
        return process

    async def _tidy(
        self,
        process: asyncio.subprocess.Process,
        writer: asyncio.StreamWriter,
        *tasks: asyncio.Task[WorkerLost | None] | asyncio.Task[tuple[str, str]],
    ) -> None:
        """Leave nothing of a worker behind, also when cancelled."""
        _kill(process)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        writer.close()
        await self._reap(process)

    async def _reap(self, process: asyncio.subprocess.Process) -> None:
        self._process = None
        _kill(process)
        await process.wait()

    async def _listen(self, reader: asyncio.StreamReader) -> WorkerLost | None:
        """Pass on what the worker says of itself; returns the failure that it reported before it ended."""
        failure = None
        while line := await _line(reader):
            message = json.loads(line)
            self._lines += 1
            event = message.pop("event")
            if event == "ready":
                self._ready = True
                self._kind.ready.set(1)
                self._on_event(WorkerReady(message))
            elif event == "failed":
                failure = WorkerLost(message["code"], message["message"], self._ready)
            elif event != "beat":
                self._on_event(WorkerSaid({"event": event, **message}))
        return failure

    async def _watch(self, process: asyncio.subprocess.Process) -> tuple[str, str]:
        """Kill a worker that shows no sign of life or takes too much memory; returns the code and words for it.

        Counts its own rounds, so that an event loop that was held up itself does not kill anybody.
        """
        quiet, beats, started = 0, -1, 0
        while True:
            await asyncio.sleep(CHECK_S)
            started += 1
            if not self._ready:
                hangs = started * CHECK_S > self._kind.start_s
            else:
                beat = self._kind.beats()
                beat = self._lines if beat is None else beat
                quiet = quiet + 1 if beat == beats else 0
                beats = beat
                hangs = quiet * CHECK_S >= self._kind.hang_s
            if hangs:
                _kill(process)
                return "hang", "It stopped answering."
            if self._memory_mb is not None and started % MEMORY_ROUNDS == 0:
                used = resident_mb(process.pid)
                if used > self._memory_mb:
                    _kill(process)
                    return "memory", f"It took {used} MB of memory, more than the {self._memory_mb} MB it may."


def resident_mb(pid: int) -> int:
    """Memory that a process occupies, MB; 0 when it is gone. Address space says nothing: torch reserves plenty."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") >> 20


def _end(status: int) -> str:
    """How a process ended, in words; a negative status is the signal that ended it."""
    if status < 0:
        return f"Its process was ended from outside ({signal.strsignal(-status)})."
    return f"Its process ended by itself (exit status {status})."


def _not_started(error: OSError) -> WorkerLost:
    """No file descriptors or no memory left, say: that passes."""
    return WorkerLost("crash", f"It could not be started: {error.strerror}.", was_ready=False)


def worker_environment(outer: Mapping[str, str], threads: int) -> dict[str, str]:
    """The worker's environment: few threads, which sleep while they wait instead of spinning, and memory kept.

    glibc gives each large array back to the system when it is freed; getting the next one page by page took a third
    of the time of a small recogniser.
    """
    root = str(Path(server.__file__).parents[1])
    return {
        "MALLOC_MMAP_THRESHOLD_": str(KEPT_MEMORY),
        "MALLOC_TRIM_THRESHOLD_": str(KEPT_MEMORY),
        **outer,
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "KMP_BLOCKTIME": "0",
        "PYTHONPATH": os.pathsep.join(filter(None, (root, outer.get("PYTHONPATH")))),
    }


async def _line(reader: asyncio.StreamReader) -> bytes:
    """A line of the control socket; empty at its end, which a killed worker may bring about in any way."""
    try:
        line = await reader.readline()
    except (ConnectionError, ValueError):
        return b""
    return line if line.endswith(b"\n") else b""


def _kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
