"""Writes a stream down while it is live."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

from server import metrics
from server.audio.opus import packet_duration
from server.clock import PACKET, SAMPLE_RATE
from server.errors import DiskFull
from server.log import get_logger
from server.queues import Policy, Queue
from server.rooms.disk import DiskWatch, Room
from server.rooms.eventlog import EventLog
from server.rooms.files import Batch, RecordingFiles, RecordingPlan, explain

WRITE_EVERY = 3 * SAMPLE_RATE // 10
"""Samples between visits to the disk: 0.3 s and the write itself stay below the 0.4 s between pages."""

BACKLOG = 30 * SAMPLE_RATE // PACKET
"""Most packets (30 s) that wait for a slow disk; then the recording stops and says so."""

WAITING = Queue(
    "recorder",
    BACKLOG,
    Policy.STOP,
    holds="packets of 20 ms on their way to the disk",
    drop="The disk failed or stood still: the recording stopped there, the stream went on.",
)
RAW = Queue(
    "recorder_raw",
    BACKLOG,
    Policy.NEWEST,
    holds="packets of what the publisher sent, on their way to the disk",
    drop="The original lacks these packets; the recording of what was heard does not.",
)

CLOSE_TIMEOUT = 10.0
"""Seconds that closing waits for the disk before it leaves the file to the recovery at the next start."""

ROOM_AGAIN = "The disk has room again: recording can be switched on."

log = get_logger(__name__)


class Recorder:
    """One stream's recording.

    Position in the file equals stream time: what is not pushed (recording off, time lost) becomes silence. All
    writing happens in `executor`, one job at a time per recording. When the disk fails, `on_failed(detail)` is called
    on the event loop, recording is off, and `start` tries again.
    """

    def __init__(
        self,
        plan: RecordingPlan,
        meta: Callable[[], dict[str, Any]],
        events: EventLog,
        executor: Executor,
        on_failed: Callable[[str], None],
        disk: DiskWatch,
    ) -> None:
        self._plan = plan
        self._meta = meta
        self._events = events
        self._executor = executor
        self._on_failed = on_failed
        self._disk = disk
        self._short = False
        self._files: RecordingFiles | None = None
        self._queue = Batch()
        self._job: asyncio.Future[None] | None = None
        self._written_at = 0
        WAITING.measure(self, Recorder.waiting)
        RAW.measure(self, Recorder.waiting_raw)
        self.on = False
        self.exists = plan.begun
        """Whether anything was ever recorded."""
        self.detail = ""
        """Why it stopped by itself, or soon will; else empty."""
        self.held = False
        """Whether the files could not be closed in time: a thread still has them."""

    def start(self, position: int) -> None:
        """Record from `position` on; what came before is silence."""
        if self.on:
            return
        if self._disk.room is not Room.ENOUGH and self._files is not None:  # a first start is refused by the files
            self._short = True
            self._report(self._disk.refusal)
            return
        self.on, self.exists, self.detail = True, True, ""
        self._events.add("recording_on", position)
        if self._files is None:
            self._files = RecordingFiles(self._plan)
        self._queue.meta = self._meta()
        self._visit(position)

    def stop(self, position: int, why: str = "") -> None:
        """Record no further; the file stays open for a later `start`. `why` is said where no person wished it."""
        if not self.on:
            return
        self.on = False
        self._events.add("recording_off", position)
        self._visit(position)
        if why:
            self._report(why)

    def warn(self, why: str) -> None:
        """Say why it soon will not go on."""
        if self.on:
            self.detail = why

    def room_changed(self, position: int) -> str:
        """The disk has more or less room: "degraded" where it becomes short, "recovered" where it no longer is."""
        words = self._disk.words
        if self._disk.room is Room.ENOUGH:
            short, self._short = self._short, False
            self.detail = "" if self.on or not short else ROOM_AGAIN
            return "recovered" if short else ""
        if not self.on:
            return ""
        before, self._short = self._short, True
        if self._disk.room is Room.NONE:
            self.stop(position)
            self._report(words)
            return ""
        self.detail = words
        return "" if before else "degraded"

    def clean(self, start: int, packet: bytes) -> None:
        """Take a packet of what listeners hear, whose first sample is `start`."""
        if not self.on:
            return
        self._queue.clean.append((start, packet))
        self._queue.duration += packet_duration(packet)
        if start - self._written_at >= WRITE_EVERY:
            self._visit(start)
        if self._queue.duration > BACKLOG * PACKET:
            self._fail(
                "Recording stopped: the disk is too slow. What was recorded so far is kept; the stream goes on.", start
            )

    def raw(self, start: int, packet: bytes) -> None:
        """Take 20 ms of what the publisher sent, on the same timeline."""
        if not self.on:
            return
        if len(self._queue.raw) <= BACKLOG:
            self._queue.raw.append((start, packet))
        else:
            RAW.dropped += 1

    def waiting(self) -> int:
        """Packets of 20 ms that the disk has not been given."""
        return self._queue.duration // PACKET

    def waiting_raw(self) -> int:
        return len(self._queue.raw)

    def describe_again(self) -> None:
        """Something in meta.json has changed."""
        if self._files is not None:
            self._queue.meta = self._meta()

    async def close(self, last: bool = True) -> None:
        """Close the files with their true duration; returns when they are on the disk, or after 10 s.

        Where it is not the `last` of the stream they are left so that a later run of the server goes on with them.
        """
        self.on = False
        if self._files is None:
            return
        files, self._files = self._files, None
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                while self._job is not None:
                    await asyncio.wait([self._job])
                    await asyncio.sleep(0)
                batch, self._queue = self._take(), Batch()
                batch.meta = self._meta()
                await asyncio.get_running_loop().run_in_executor(self._executor, files.close, batch, last)
        except TimeoutError:
            self.held = True
            log.warning("the disk is too slow to close a recording", folder=str(self._plan.folder))
        except OSError as error:
            if not self.detail:
                self._report(explain(error))

    def _take(self) -> Batch:
        batch = self._queue
        batch.lines = self._events.take()
        return batch

    def _visit(self, position: int) -> None:
        """Send what waits to the disk, unless the last visit is still there."""
        if self._job is not None or self._files is None:
            return
        self._written_at = position
        batch, self._queue = self._take(), Batch()
        self._job = asyncio.get_running_loop().run_in_executor(self._executor, self._files.write, batch)
        self._job.add_done_callback(self._visited)

    def _visited(self, job: asyncio.Future[None]) -> None:
        self._job = None
        if job.cancelled():
            return
        error = job.exception()
        if error is None and not self.on and self._queue.clean:
            self._visit(self._written_at)  # what came while the disk was busy, just before it was switched off
        if error is None or self.detail:
            return
        self._short = isinstance(error, DiskFull)
        if isinstance(error, OSError | DiskFull):
            self._fail(explain(error), self._written_at)
        else:
            log.error("a recording failed", folder=str(self._plan.folder), exc_info=error)
            self._fail("Recording stopped because of an error in the server. The stream goes on.", self._written_at)

    def _fail(self, detail: str, position: int) -> None:
        self.on = False
        self.exists = self._plan.begun or (self._files is not None and self._files.opened)
        self._events.add("recording_failed", position, detail=detail)
        WAITING.dropped += self.waiting()
        self._queue = Batch()
        self._report(detail)

    def _report(self, detail: str) -> None:
        self.detail = detail
        metrics.RECORD_ERRORS.inc()
        log.warning("recording stopped", folder=str(self._plan.folder), detail=detail)
        self._on_failed(detail)
