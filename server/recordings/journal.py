"""What the media host says is written down here, in order, before anybody else hears of it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import asdict

from server.errors import ClearcastError, NotFound, Unavailable
from server.log import get_logger
from server.queues import Policy, Queue
from server.recordings.library import Library
from server.rooms.messages import SERVER_STOPPED, MediaEvent, StreamInfo, StreamState
from server.store.records import Recording, RecordingState, StoredStream
from server.store.store import Store

QUEUE = 4096
"""Events that may wait; beyond that listener counts are dropped, the next one says it all again."""

MOST = 2 * QUEUE
"""Events that may wait at all; beyond that the oldest go, as with those below."""

UNWRITTEN = 1000
"""Events kept for later while the database takes nothing; the oldest go first, recovery makes up for them."""
WAITING = Queue(
    "journal",
    MOST,
    Policy.OLDEST,
    holds="events of streams that are not written down yet; from half of that on no counts of listeners",
    drop="The database stands still: the next event or the recovery at the next start makes up for it.",
)
UNTOLD = Queue(
    "journal_unwritten",
    UNWRITTEN,
    Policy.OLDEST,
    holds="events that the database refused, tried again every 5 s",
    drop="The database has refused for long: the recovery at the next start makes up for it.",
)

RETRY_EVERY = 5.0
"""Seconds between attempts to write them."""

HELD = "The disk is too slow to close the file. The next start of the server does it."

log = get_logger(__name__)


class Journal:
    """Takes media events on the event loop, never blocks it, and never loses a stream's beginning or end.

    `announce` is called after the event has been written; an event that could not be written is announced all the
    same, because a full disk must not silence a live stream.
    """

    def __init__(
        self,
        store: Store,
        library: Library,
        announce: Callable[[MediaEvent], Awaitable[None]],
    ) -> None:
        self._store = store
        self._library = library
        self._announce = announce
        self._queue: deque[MediaEvent] = WAITING.watch(deque())
        self._unwritten: deque[MediaEvent] = UNTOLD.watch(deque(maxlen=UNWRITTEN))
        self._writing: MediaEvent | None = None
        self._retry_at = 0.0
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None
        self._recording: dict[str, str] = {}
        """Title by id of every recording that is going on."""

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="journal")

    async def close(self) -> None:
        """Write down what is waiting, then stop."""
        await self.settle(timeout=5)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def put(self, event: MediaEvent) -> None:
        """Take an event; called by the media host on the event loop."""
        if len(self._queue) >= QUEUE and event.type == "listeners":
            WAITING.dropped += 1
            return
        if len(self._queue) >= MOST:
            self._queue.popleft()
            WAITING.dropped += 1
        self._queue.append(event)
        self._idle.clear()
        self._wake.set()

    async def settle(self, timeout: float = 2.0) -> None:
        """Wait until everything that was put has been written and announced, at most `timeout` seconds."""
        try:
            await asyncio.wait_for(self._idle.wait(), timeout)
        except TimeoutError:
            log.warning("the journal is behind", waiting=len(self._queue))

    def ends(self) -> dict[str, StreamInfo]:
        """Streams by id that have ended and whose end the database does not show yet."""
        waiting = [*self._unwritten, *self._queue]
        if self._writing is not None:
            waiting.append(self._writing)
        return {event.stream.id: event.stream for event in waiting if event.stream and event.type == "stream_ended"}

    async def _run(self) -> None:
        while True:
            if not self._queue:
                self._idle.set()
                self._wake.clear()
                await self._wait()
            try:
                await self._write_late()
                if self._queue:
                    await self._take(self._queue.popleft())
            except Exception:  # the boundary of one event: the next ones are told
                log.exception("an event was lost")

    async def _wait(self) -> None:
        """For the next event, or for the next attempt."""
        try:
            async with asyncio.timeout_at(self._retry_at if self._unwritten else None):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _take(self, event: MediaEvent) -> None:
        """Write an event down, or keep it for later, and tell it."""
        if _kept(event) and (self._unwritten or not await self._written(event)):
            self._later(event)
        await self._announce(event)

    async def _write_late(self) -> None:
        """What had to wait, when it is time: a database that is locked must not hold up what is told."""
        while self._unwritten and asyncio.get_running_loop().time() >= self._retry_at:
            event = self._unwritten.popleft()
            if not await self._written(event):
                self._unwritten.appendleft(event)
                self._retry_at = asyncio.get_running_loop().time() + RETRY_EVERY

    def _later(self, event: MediaEvent) -> None:
        if not self._unwritten:
            self._retry_at = asyncio.get_running_loop().time() + RETRY_EVERY
        UNTOLD.dropped += len(self._unwritten) == UNWRITTEN
        self._unwritten.append(event)

    async def _written(self, event: MediaEvent) -> bool:
        """Whether the event need not be tried again."""
        self._writing = event
        try:
            await self._write(event)
        except Unavailable as error:
            log.error("a stream cannot be written down now", event_type=event.type, error=error.message)
            return False
        except ClearcastError as error:
            log.error("a stream could not be written down", event_type=event.type, error=error.message)
        finally:
            self._writing = None
        return True

    async def _write(self, event: MediaEvent) -> None:
        stream = event.stream
        assert stream is not None
        if event.type not in ("degraded", "recovered"):
            await self._store.save_stream(stored(stream))
        if stream.recording.id is not None:
            await self._write_recording(stream, stream.recording.id)

    async def _write_recording(self, stream: StreamInfo, recording_id: str) -> None:
        known = self._recording.get(recording_id)
        if known is None and stream.state is not StreamState.ENDED:
            await self._begin(stream, recording_id)
        elif known is not None and known != stream.title:
            self._recording[recording_id] = stream.title
            await self._store.change_recording(recording_id, title=stream.title)
        if stream.recording.detail and not stream.recording.on and stream.state is not StreamState.ENDED:
            await self._store.change_recording(recording_id, detail=stream.recording.detail)
        if stream.state is StreamState.ENDED:
            if known is None:
                await self._begin(stream, recording_id)
            self._recording.pop(recording_id, None)
            values = {"state": RecordingState.FINISHING.value, "length": stream.position}
            if stream.recording.held:
                await self._store.change_recording(recording_id, **values, detail=HELD)
                return
            await self._store.change_recording(recording_id, **values)
            cut_off = stream.end_reason == SERVER_STOPPED
            self._library.finish(recording_id, RecordingState.RECOVERED if cut_off else RecordingState.READY)

    async def _begin(self, stream: StreamInfo, recording_id: str) -> None:
        try:
            await self._store.recording(recording_id)
        except NotFound:
            channel = await self._store.channel(stream.channel_id)
            await self._store.save_recording(
                Recording(
                    id=recording_id,
                    stream_id=stream.id,
                    title=stream.title,
                    host=stream.host_name,
                    owner=stream.principal,
                    channel_slug=channel.slug,
                    channel_name=channel.name,
                    created_at=stream.started_at,
                    state=RecordingState.RECORDING,
                )
            )
        self._recording[recording_id] = stream.title


def _kept(event: MediaEvent) -> bool:
    """Whether the database is to know of an event."""
    stream = event.stream
    if stream is None or event.type in ("listeners", "publisher_replaced") or stream.state is StreamState.CONNECTING:
        return False
    return stream.state is not StreamState.ENDED or stream.position > 0  # else nobody was ever heard


def stored(stream: StreamInfo) -> StoredStream:
    """A live stream as the database keeps it."""
    return StoredStream(
        id=stream.id,
        channel_id=stream.channel_id,
        owner=stream.principal,
        host=stream.host_name,
        title=stream.title,
        state=stream.state.value,
        started_at=stream.started_at,
        ended_at=stream.ended_at,
        end_reason=stream.end_reason,
        length=stream.position,
        listeners_peak=stream.listeners_peak,
        denoise_mode=stream.denoise.mode.value,
        denoise_engine=stream.denoise.engine,
        recorded=stream.recording.id is not None,
        language=stream.captions.language,
        **asdict(stream.wishes),
    )
