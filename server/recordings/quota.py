"""How much room each person has for recordings, and what happens when it is used up: a live stream goes on."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

from server.errors import ClearcastError, NotFound, QuotaReached
from server.log import get_logger
from server.recordings.files import RecordingFolders
from server.rooms.messages import StreamChange, StreamInfo
from server.store.store import Store

LOOK_S = 5.0
"""Between two looks at those who are being recorded: at 64 kbit/s 40 kB are written meanwhile."""
WARN_FROM = 0.95
"""Part of the quota from which on whoever is being recorded is warned."""
GB = 1_000_000_000

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Storage:
    """Bytes that one person takes, and may take."""

    used: int
    """Recordings, those in the bin and those that are going on included, and uploads."""
    bin: int
    uploads: int
    quota: int | None
    """None where there is no limit."""

    @property
    def full(self) -> bool:
        return self.quota is not None and self.used >= self.quota

    @property
    def short(self) -> bool:
        """Whether it will soon be."""
        return self.quota is not None and self.used >= WARN_FROM * self.quota

    @property
    def words(self) -> str:
        """How full it is."""
        return f"{_size(self.used)} of {_size(self.quota or 0)} are used"


class LiveStreams(Protocol):
    """What the media host knows of streams."""

    def streams(self) -> list[StreamInfo]: ...

    async def update(self, stream_id: str, change: StreamChange) -> StreamInfo: ...


class Quotas:
    """Everybody's room. `start`, then `close`; `default_gb` is for whom no administrator has said anything, 0 no limit.

    A word of an administrator of 0 bytes means no limit as well.
    """

    def __init__(self, store: Store, files: RecordingFolders, live: LiveStreams, default_gb: float) -> None:
        self._store = store
        self._files = files
        self._live = live
        self._default = round(default_gb * GB)
        self._task: asyncio.Task[None] | None = None

    async def storage(self, owner: str) -> Storage:
        """What somebody takes, and may take."""
        kept = await self._store.keeping.of(owner)
        live = [stream.id for stream in self._live.streams() if stream.principal == owner]
        going_on = await asyncio.to_thread(lambda: sum(self._files.size(stream_id) for stream_id in live))
        quota = self._default if kept.quota is None else kept.quota
        return Storage(kept.used + going_on, kept.bin, kept.uploads, quota or None)

    async def check_upload(self, owner: str, coming: int) -> None:
        """Whether there is room for so many bytes beside what is here already. Raises QuotaReached."""
        storage = await self.storage(owner)
        if storage.quota is not None and storage.used + coming > storage.quota:
            raise QuotaReached(
                f"There is no room for this file: {storage.words}. Delete recordings, also from the bin, or uploads."
            )

    async def check_recording(self, owner: str) -> None:
        """Whether anything may be recorded. Raises QuotaReached."""
        refused = await self.refusal(owner)
        if refused:
            raise QuotaReached(refused)

    async def refusal(self, owner: str) -> str:
        """Why nothing is recorded of somebody; empty where they have room."""
        storage = await self.storage(owner)
        if not storage.full:
            return ""
        return f"Not recording: the storage of this account is full ({storage.words}). Delete recordings to make room."

    def start(self) -> None:
        """Look at whoever is being recorded, now and then."""
        self._task = asyncio.create_task(self._watch(), name="quotas")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def look(self) -> None:
        """Warn those whose room runs out, stop recording where there is none. The streams go on."""
        recording = [stream for stream in self._live.streams() if stream.recording.on]
        for owner in {stream.principal for stream in recording}:
            storage = await self.storage(owner)
            for stream in recording:
                if stream.principal == owner and storage.short:
                    await self._tell(stream, storage)

    async def _tell(self, stream: StreamInfo, storage: Storage) -> None:
        if storage.full:
            why = f"Recording stopped: the storage of this account is full ({storage.words}). What was recorded so far "
            change = StreamChange(record=False, recording_detail=f"{why}is kept; the stream goes on.")
            log.warning("recording stopped: a quota is reached", stream=stream.id, owner=stream.principal)
        elif stream.recording.detail:
            return  # warned already, or of something else
        else:
            why = (
                f"Little room is left in the storage of this account: {storage.words}. Recording stops when it is full."
            )
            change = StreamChange(recording_detail=why)
        try:
            await self._live.update(stream.id, change)
        except NotFound:  # it has just ended
            return

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.look()
            except (ClearcastError, OSError) as error:
                log.error("quotas cannot be looked at", error=str(error))


def _size(count: int) -> str:
    """Bytes as people read them."""
    return f"{count / GB:.1f} GB" if count >= GB // 10 else f"{count / 1_000_000:.1f} MB"
