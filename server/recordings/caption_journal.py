"""Captions that have become final go into the database here, many at once, while the stream goes on."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from server.errors import ClearcastError, Unavailable
from server.log import get_logger
from server.queues import Policy, Queue
from server.recordings import caption_log
from server.recordings.caption_forms import kept_prints
from server.recordings.files import RecordingFolders
from server.rooms.messages import (
    CaptionInfo,
    CaptionOutput,
    CaptionTold,
    SpeakersTold,
    StreamInfo,
    VoicesHeard,
    known_caption,
    known_speakers,
)
from server.speech.captions import Caption
from server.speech.speakers import SpeakerName
from server.store.captions import CHUNK, CaptionBatch
from server.store.records import CaptionVersion
from server.store.store import Store

WAITING = 5_000
"""Captions that may wait for the database."""
STREAMS = 1_000
"""Streams of which speakers may wait, and of which it is remembered that nothing is kept."""
GATHER = 0.25
"""Seconds in which what becomes final is written together."""
RETRY_EVERY = 5.0
"""Seconds between attempts while the database takes nothing."""
TRIES = 12
"""Attempts to write down what was said in a stream that the database does not know (yet)."""
PRINTS_EVERY = 30.0
"""Seconds between two times that it is written down what the speakers of a live stream sound like."""

CAPTIONS = Queue(
    "caption_journal",
    WAITING,
    Policy.OLDEST,
    holds="final captions that are not in the database yet",
    drop="The database stands still: what is missing is read from the recording's event log once it does not.",
)
SPEAKERS = Queue(
    "caption_speakers",
    STREAMS,
    Policy.OLDEST,
    holds="streams whose speakers are not in the database yet",
    drop="The database stands still: the event log says who they were, once it is read.",
)
UNKEPT = Queue(
    "unkept_streams",
    STREAMS,
    Policy.FORGET,
    holds="ended streams without a recording, of which no captions are kept",
    drop="A caption that comes long after the end of its stream would be kept.",
)

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A caption that is to be written, numbered with everything that was told."""

    told: int
    caption: Caption


class CaptionJournal:
    """Takes what the media host says of captions on the event loop, and never blocks it.

    Of a stream that was not recorded nothing is kept: its captions go when it ends.
    """

    def __init__(self, store: Store, files: RecordingFolders) -> None:
        self._store = store
        self._files = files
        self._captions: OrderedDict[tuple[str, int], _Waiting] = CAPTIONS.watch(OrderedDict())
        self._speakers: OrderedDict[str, list[SpeakerName]] = SPEAKERS.watch(OrderedDict())
        self._prints: dict[str, VoicesHeard] = {}
        self._prints_due: dict[str, float] = {}
        self._unkept: OrderedDict[str, None] = UNKEPT.watch(OrderedDict())
        self._to_forget: set[str] = set()
        self._tries: dict[str, int] = {}
        """How often each stream that the database does not know was tried; forgotten when it ends."""
        self._behind: set[str] = set()
        """Streams of which something was dropped: their logs are read when the database works again."""
        self._told = 0
        """How often there was something to write; `_written` of those are."""
        self._written = 0
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        """Whoever waits until so many are written."""
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()
        self._stuck = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="caption journal")

    async def close(self) -> None:
        """Write down what waits, then stop."""
        await self.settle(timeout=5)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def settle(self, timeout: float = 2.0) -> None:
        """Wait until all that was put before is in the database; at most `timeout` seconds, not while it is stuck."""
        if self._stuck or self._written == self._told:
            return
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((self._told, written))
        self._hurry.set()
        try:
            await asyncio.wait_for(written, timeout)
        except TimeoutError:
            log.warning("captions are not written down yet", waiting=len(self._captions))

    # ---- what is told

    def put(self, told: CaptionOutput) -> None:
        """Take what the media host says; called on the event loop."""
        if told.stream_id in self._unkept:
            return
        match told:
            case CaptionTold() if told.caption.final:
                self._put_caption(told.stream_id, known_caption(told.caption))
            case SpeakersTold():
                self._speakers[told.stream_id] = known_speakers(told.speakers)
                if len(self._speakers) > STREAMS:
                    SPEAKERS.dropped += 1
                    self._behind.add(self._speakers.popitem(last=False)[0])
            case VoicesHeard():
                self._prints[told.stream_id] = told
                if asyncio.get_running_loop().time() < self._prints_due.get(told.stream_id, 0.0):
                    return
            case _:
                return
        self._work()

    async def over(self, stream: StreamInfo) -> None:
        """A stream has ended: wait until the last is written or, where nothing was recorded, until all is gone."""
        self._prints_due.pop(stream.id, None)
        self._tries.pop(stream.id, None)
        if stream.recording.id is None:
            for key in [key for key in self._captions if key[0] == stream.id]:
                del self._captions[key]
            self._speakers.pop(stream.id, None)
            self._prints.pop(stream.id, None)
            self._behind.discard(stream.id)
            self._unkept[stream.id] = None
            if len(self._unkept) > STREAMS:
                UNKEPT.dropped += 1
                self._unkept.popitem(last=False)
            self._to_forget.add(stream.id)
        self._work()
        await self.settle()

    def _put_caption(self, stream_id: str, caption: Caption) -> None:
        key = (stream_id, caption.id)
        known = self._captions.pop(key, None)
        if known is not None and known.caption.rev >= caption.rev:
            caption = known.caption
        self._captions[key] = _Waiting(self._told + 1, caption)
        if len(self._captions) > WAITING:
            CAPTIONS.dropped += 1
            self._behind.add(self._captions.popitem(last=False)[0][0])

    def _work(self) -> None:
        self._told += 1
        self._wake.set()

    # ---- writing

    async def _run(self) -> None:
        while True:
            if not self._anything():
                self._wake.clear()
                await self._wake.wait()
            await self._pause(GATHER)
            told = self._told
            try:
                self._stuck = not (await self._write() and await self._catch_up())
            except Exception:  # the boundary of one batch: what comes later is written down
                self._stuck = True
                log.exception("captions were lost")
            if not self._stuck:
                left = next(iter(self._captions.values()), None)
                self._written = told if left is None else min(told, left.told - 1)
            self._release()
            if self._stuck:
                await self._pause(RETRY_EVERY)

    def _release(self) -> None:
        """Let go of whoever has waited long enough: for ever is not an answer while the database takes nothing."""
        for told, written in list(self._waiting):
            if written.done() or self._stuck or told <= self._written:
                self._waiting.remove((told, written))
                if not written.done():
                    written.set_result(None)
        if not self._waiting:
            self._hurry.clear()

    def _anything(self) -> bool:
        """Whether there is anything to do."""
        return self._written < self._told or bool(
            self._captions or self._speakers or self._to_forget or self._behind or self._due_prints()
        )

    async def _pause(self, seconds: float) -> None:
        """For more to come, unless somebody waits for it."""
        try:
            async with asyncio.timeout(seconds):
                await self._hurry.wait()
        except TimeoutError:
            return

    async def _write(self) -> bool:
        """One transaction for what waits; whether the database took it."""
        captions = dict(islice(self._captions.items(), CHUNK))
        speakers, prints = dict(self._speakers), self._due_prints()
        for key in captions:
            del self._captions[key]
        self._speakers.clear()
        try:
            for stream_id in list(self._to_forget):
                await self._store.captions.forget(stream_id)
                self._to_forget.discard(stream_id)
            batch = _batch(captions, speakers, prints)
            missing = await self._store.captions.save(batch) if batch.streams else set()
        except Unavailable as error:
            log.error("captions cannot be written down now", error=error.message)
            self._put_back(captions, speakers)
            return False
        except ClearcastError as error:
            log.error("captions could not be written down", error=error.message)
            missing = set()
        for stream_id, told in prints.items():
            if self._prints.get(stream_id) is told:
                del self._prints[stream_id]
            self._prints_due[stream_id] = asyncio.get_running_loop().time() + PRINTS_EVERY
            if len(self._prints_due) > STREAMS:
                self._prints_due.pop(next(iter(self._prints_due)))
        self._put_back(
            {key: waiting for key, waiting in captions.items() if self._may_come(key[0], missing)},
            {stream_id: entries for stream_id, entries in speakers.items() if self._may_come(stream_id, missing)},
        )
        for stream_id in missing:
            self._tries[stream_id] = self._tries.get(stream_id, 0) + 1
        return not missing

    def _may_come(self, stream_id: str, missing: set[str]) -> bool:
        """Whether a stream is not known to the database only because its beginning waits to be written down."""
        return stream_id in missing and self._tries.get(stream_id, 0) < TRIES

    def _due_prints(self) -> dict[str, VoicesHeard]:
        now = asyncio.get_running_loop().time()
        return {key: told for key, told in self._prints.items() if now >= self._prints_due.get(key, 0.0)}

    def _put_back(self, captions: dict[tuple[str, int], _Waiting], speakers: dict[str, list[SpeakerName]]) -> None:
        """What is newer stays; what is older than all that waits goes to the front."""
        for key, waiting in reversed(captions.items()):
            if key[0] not in self._unkept and key not in self._captions:
                self._captions[key] = waiting
                self._captions.move_to_end(key, last=False)
        for stream_id, entries in speakers.items():
            if stream_id not in self._unkept:
                self._speakers.setdefault(stream_id, entries)

    # ---- from the log

    async def _catch_up(self) -> bool:
        """Read what had to be dropped, once nothing waits; whether the database took it."""
        if not self._behind or self._captions:
            return True
        try:
            await self.fill_in(set(self._behind))
        except ClearcastError as error:
            log.error("captions cannot be written down now", error=error.message)
            return False
        self._behind.clear()
        return True

    async def fill_in(self, stream_ids: Iterable[str]) -> None:
        """Write down what the event logs of these streams say and the database may lack. Raises Unavailable."""
        for stream_id in stream_ids:
            try:
                logged = await asyncio.to_thread(caption_log.read, self._files.events(stream_id))
            except OSError:
                continue  # there is none: nothing was recorded
            await self._fill(stream_id, list(logged.captions.values()))
            if logged.speakers and not await self._store.captions.speakers(stream_id, CaptionVersion.LIVE):
                speakers = {stream_id: known_speakers(logged.speakers)}
                await self._store.captions.save(CaptionBatch(speakers=speakers))

    async def _fill(self, stream_id: str, captions: list[CaptionInfo]) -> None:
        for start in range(0, len(captions), CHUNK):
            part = [known_caption(told) for told in captions[start : start + CHUNK]]
            await self._store.captions.save(CaptionBatch({stream_id: part}))


def _batch(
    captions: dict[tuple[str, int], _Waiting], speakers: dict[str, list[SpeakerName]], prints: dict[str, VoicesHeard]
) -> CaptionBatch:
    by_stream: dict[str, list[Caption]] = {}
    for (stream_id, _), waiting in captions.items():
        by_stream.setdefault(stream_id, []).append(waiting.caption)
    return CaptionBatch(by_stream, speakers, {key: kept_prints(told) for key, told in prints.items()})
